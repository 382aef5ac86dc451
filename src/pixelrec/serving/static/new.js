// Pictures may be dropped or pasted, and are shown before they are sent. Without this file, the form works as well.
"use strict";

for (const form of document.querySelectorAll("form.drop")) {
  const input = form.querySelector("input[type=file]");
  const previews = form.querySelector(".previews");
  const most = Number(form.dataset.most), bytes = Number(form.dataset.bytes);

  const say = (text) => {
    const line = document.createElement("p");
    line.className = "hint";
    line.textContent = text;
    previews.append(line);
  };

  const problem = (files) => {
    const size = files.reduce((sum, file) => sum + file.size, 0);
    if (files.length > most) return `${files.length} pictures; send at most ${most} at once`;
    if (size > 0.99 * bytes) return `${(size / 1048576).toFixed(1)} MiB; send at most ${(bytes / 1048576).toFixed(1)} MiB at once`;
    return "";
  };

  // On a canvas: the policy of the page allows pictures of the server only.
  const draw = async (file) => {
    const canvas = document.createElement("canvas");
    const about = document.createElement("span");
    const box = document.createElement("span");
    about.textContent = file.name;
    box.append(canvas, about);
    previews.append(box);
    try {
      const picture = await createImageBitmap(file);
      canvas.height = 96;
      canvas.width = Math.max(24, Math.min(240, Math.round((96 * picture.width) / picture.height)));
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      picture.close();
    } catch {
      canvas.remove();
    }
  };

  const show = () => {
    previews.replaceChildren();
    const files = [...input.files];
    const found = problem(files);
    input.setCustomValidity(found);
    if (found) say(found);
    else files.forEach(draw);
  };

  const take = (files) => {
    const pictures = [...files].filter((file) => file.type.startsWith("image/"));
    if (!pictures.length) return;
    const chosen = new DataTransfer();
    pictures.forEach((file) => chosen.items.add(file));
    input.files = chosen.files;
    show();
  };

  form.querySelector(".hint").append(" They may be dropped or pasted here, too.");
  input.addEventListener("change", show);
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    take(event.dataTransfer.files);
  });
  show();
}
