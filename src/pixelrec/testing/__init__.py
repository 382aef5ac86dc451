"""The contract of user models and item encoders, for pytest or plain Python.

```
from pixelrec.testing import check_user_model

def test_my_model():
    check_user_model(MyModel, config={"layers": 2})
```

Everything runs on a small generated world, in float64, in some seconds.
"""

from pixelrec.testing.checks import check_item_encoder, check_user_model

__all__ = ["check_item_encoder", "check_user_model"]
