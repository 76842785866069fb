// What the report does: tables are sorted, one player plays, pictures are enlarged.
// Without this file, everything can still be read and played.
"use strict";

// A cell's number, as in "11.3 (8.4–14.5)"; NaN for words.
function numberOf(text) {
    const match = /^[+\u2212-]?\d+(\.\d+)?/.exec(text);
    return match ? Number(match[0].replace("\u2212", "-")) : NaN;
}

// Numbers before words, whichever way they are sorted: "not scored" stays last.
function compare(a, b, sign) {
    const [x, y] = [numberOf(a), numberOf(b)];
    if (Number.isNaN(x) !== Number.isNaN(y)) {
        return Number.isNaN(x) ? 1 : -1;
    }
    return sign * (Number.isNaN(x) ? a.localeCompare(b) : x - y);
}

function makeSortable(table) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.append(...heading.childNodes);
        heading.append(button);
        heading.setAttribute("aria-sort", "none");
        button.addEventListener("click", () => {
            const now = heading.getAttribute("aria-sort");
            const next = { none: "ascending", ascending: "descending" }[now] || "none";
            headings.forEach((other) => other.setAttribute("aria-sort", "none"));
            heading.setAttribute("aria-sort", next);
            const rows = [...original];
            if (next !== "none") {
                const sign = next === "ascending" ? 1 : -1;
                const text = (row) => row.cells[column].textContent.trim();
                rows.sort((a, b) => compare(text(a), text(b), sign));
            }
            body.append(...rows);
        });
    });
}

function stopTheOthers(event) {
    document.querySelectorAll("audio").forEach((audio) => {
        if (audio !== event.target) {
            audio.pause();
        }
    });
}

function makeEnlargeable(dialog, buttons) {
    let shown = 0;
    const picture = dialog.querySelector("img");
    const show = (index) => {
        shown = (index + buttons.length) % buttons.length;
        const image = buttons[shown].querySelector("img");
        picture.src = image.src;
        picture.alt = image.alt;
        dialog.querySelector("p").textContent = image.dataset.caption;
    };
    buttons.forEach((button, index) => {
        button.addEventListener("click", () => {
            show(index);
            dialog.showModal();
        });
    });
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    dialog.addEventListener("keydown", (event) => {
        if (event.key in steps && !event.target.closest(".view")) {
            event.preventDefault();
            show(shown + steps[event.key]);
        }
    });
    dialog.addEventListener("click", (event) => {
        const action = event.target.dataset.action;
        if (action === "close" || event.target === dialog) {
            dialog.close();
        } else if (action) {
            show(shown + Number(action));
        }
    });
    // The reader goes on where the picture stands that was looked at last.
    dialog.addEventListener("close", () => buttons[shown].focus());
}

document.querySelectorAll("table").forEach(makeSortable);
document.addEventListener("play", stopTheOthers, true);
makeEnlargeable(
    document.querySelector("dialog"),
    [...document.querySelectorAll(".picture button")],
);
