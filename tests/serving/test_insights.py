"""Pages and calls that say why, and what another cover would change."""

from __future__ import annotations

import re
from io import BytesIO

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from pixelrec.images.edits import edits_of
from pixelrec.insight.leave_one_out import leave_one_out
from pixelrec.insight.occlusion import occlusion_map
from pixelrec.insight.past import past_of
from pixelrec.insight.pictures import picture_of
from pixelrec.insight.what_if import what_if
from pixelrec.serving.pages.why import levels_of
from pixelrec.serving.shop import Shop


def test_a_reason_is_exact(client: TestClient, shop: Shop) -> None:
    service = shop.runs["ids"].service
    best = str(service.recommend(users=["u5"], k=1)[0][0].item_id)
    (found,) = leave_one_out(service, past_of(service, user="u5"), [best])
    said = client.post("/v1/explain", json={"user": "u5", "k": 1}).json()
    assert said["run"] == "ids" and said["explanations"] == [found.to_dict()]
    page = client.get("/why?user=u5").text
    assert f"1 of {found.items}" in page
    told = re.findall(r'<td class="ranks">([\d,]+)</td>', page)
    ordered = found.frame.sort("score_change", descending=True, maintain_order=True)
    assert [int(each.replace(",", "")) for each in told] == ordered["rank"].to_list()


def test_lists_before_the_evaluated_event_lead_to_their_reasons(client: TestClient, shop: Shop) -> None:
    page = client.get("/user?id=u5").text
    address = re.findall(r'<a class="why" href="([^"]*)"', page)[0].replace("&amp;", "&")
    assert "before=test" in address
    assert client.get(address).text.count("before the test event, as it was evaluated") == 1
    case = next(row for row in shop.first.ranks["test"].table.to_dicts() if row["user_id"] == "u5")
    asked = {"user": "u5", "items": [case["item_id"]], "before": "test"}
    assert client.post("/v1/explain", json=asked).json()["explanations"][0]["rank"] == case["rank"]


def test_a_history_and_an_item_of_choice(client: TestClient) -> None:
    said = client.post(
        "/v1/explain", json={"history": ["i3", "i14"], "items": ["i7", "i8"], "latest": 1}
    ).json()
    assert [each["item_id"] for each in said["explanations"]] == ["i7", "i8"]
    assert [event["item_id"] for event in said["explanations"][0]["events"]] == ["i14"]
    page = client.get("/why", params={"history": ["i3", "i14"], "item": "i7"}).text
    assert 'for <span dir="auto">this history</span>' in page


def test_where_is_an_estimate_of_models_over_pictures(client: TestClient, shop: Shop) -> None:
    service = shop.runs["pixels"].service
    item = str(service.recommend(users=["u5"], k=1)[0][0].item_id)
    found = occlusion_map(service, past_of(service, user="u5"), item)
    said = client.post("/v1/explain/picture", json={"run": "pixels", "user": "u5", "item": item}).json()
    assert said["estimate"] is True
    np.testing.assert_allclose(said["score_changes"], found.changes, atol=1e-6)
    page = client.get("/why?user=u5&run=pixels&where=1").text
    assert "an estimate" in page and len(re.findall(r'<span class="(for|against|none)-\d" title', page)) == 49
    levels = [level for row in levels_of(found) for level, _ in row]
    assert max(map(abs, levels)) == 5
    page = client.get("/why?user=u5&run=ids&where=1").text
    assert "do not come from pictures" in page


def test_what_if_is_exact(client: TestClient, shop: Shop) -> None:
    service = shop.runs["pixels"].service
    found = what_if(service, "i7", edits=edits_of(crop=[0.5], grey=True), users=60)
    asked = {"run": "pixels", "item": "i7", "crop": [0.5], "grey": True, "users": 60}
    said = client.post("/v1/what-if", json=asked).json()
    assert said["changes"] == found.frame.to_dicts() and said["users"] == len(found.users)
    page = client.get("/what-if?run=pixels&item=i7&crop=0.5&grey=1").text
    whole = what_if(service, "i7", edits=edits_of(crop=[0.5], grey=True), users=500)
    for row in whole.frame.iter_rows(named=True):
        assert f"{row['change']}</th><td>{row['median']:,.0f}</td>" in page
    pictures = re.findall(r'src="(/what-if/picture[^"]*)"', page)
    assert len(pictures) == 2
    shown = np.array(Image.open(BytesIO(client.get(pictures[1].replace("&amp;", "&")).content)))
    assert (shown == edits_of(grey=True)[0].apply(picture_of(service, "i7"))).all()


def test_a_cover_of_ones_own_is_compared(client: TestClient, shop: Shop) -> None:
    service = shop.runs["pixels"].service
    file = BytesIO()
    Image.fromarray(edits_of(grey=True)[0].apply(picture_of(service, "i7"))).save(file, "PNG")
    form = {"run": "pixels", "item": "i7"}
    page = client.post("/what-if", data=form, files={"pictures": ("other.png", file.getvalue())})
    assert page.status_code == 200 and "/what-if?item=i7&run=pixels&pictures=" in str(page.url)
    (_, row) = what_if(service, "i7", edits=edits_of(grey=True), users=500).frame.iter_rows(named=True)
    assert f"other.png</th><td>{row['median']:,.0f}</td>" in page.text
    call = client.post("/v1/what-if/covers?item=i7&run=pixels&name=other", content=file.getvalue())
    assert {**call.json()["changes"][1], "change": "grey"} == row
    (address,) = re.findall(r'src="(/new/picture[^"]*)"', page.text)
    assert client.get(address).headers["content-type"].startswith("image/")
    both = client.get(str(page.url) + "&crop=0.5&grey=1").text
    assert len(re.findall(r'src="/what-if/picture', both)) == 2 and "other.png" in both
    assert "gone" in client.get("/what-if?item=i7&run=pixels&pictures=abc").text
    bad = client.post("/what-if", data=form, files={"pictures": ("bad.png", b"no picture")})
    assert bad.status_code == 422 and "bad.png" in bad.text
    assert client.post("/what-if", data=form).status_code == 422


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/why", 200, "Give a user"),
        ("/why?user=nobody", 422, "unknown user &#39;nobody&#39;"),
        ("/why?user=u5&item=<script>", 422, "unknown item &#39;&lt;script&gt;&#39;"),
        ("/what-if", 200, "had another cover"),
        ("/what-if?item=i7&run=ids", 200, "do not come from pictures"),
        ("/what-if?item=i7&run=pixels", 200, "Compare"),
        ("/what-if?item=zzz", 422, "unknown item"),
        ("/what-if?item=i7&run=pixels&crop=2", 422, "crop is 2.0"),
        ("/what-if?item=i7&run=pixels&blur=much", 422, "expected numbers"),
        ("/what-if?item=i7&run=pixels&blur=nan", 422, "blur is &#39;nan&#39;"),
        ("/what-if/picture?item=i7&run=pixels&edit=3&grey=1", 422, "numbered from 0"),
        ("/what-if/picture?item=i7&run=pixels&edit=0&jpeg_quality=inf", 422, "jpeg_quality"),
    ],
)
def test_what_cannot_be_answered_is_said(client: TestClient, address: str, status: int, said: str) -> None:
    found = client.get(address)
    assert found.status_code == status and said in found.text and "<script>" not in found.text


def test_faults_of_calls_are_problems(client: TestClient) -> None:
    for path, body, said in (
        ("/v1/explain", {}, "exactly one of the two"),
        ("/v1/explain", {"user": "u5", "history": ["i3"]}, "exactly one of the two"),
        ("/v1/explain/picture", {"user": "u5", "item": "i7"}, "do not come from pictures"),
        ("/v1/what-if", {"run": "pixels", "item": "i7"}, "0 changes"),
        ("/v1/what-if", {"run": "pixels", "item": "i7", "text": ["x" * 61]}, "1 to 60 letters"),
        ("/v1/what-if", {"run": "pixels", "item": "i7", "gray": True}, "gray"),
    ):
        found = client.post(path, json=body)
        assert found.status_code == 422 and said in found.json()["detail"], found.text
