"use strict";

/* An element with attributes (functions are listeners) and children. */
function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === "function") node.addEventListener(name, value);
        else if (value !== null) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
}

/* A button that plays and pauses, and a bar that shows the place and sets it. */
function fillTransport(root, deck, name) {
    const button = make("button", { type: "button", class: "play", click: () => deck.toggle() });
    const place = make("input", {
        type: "range",
        class: "place",
        min: 0,
        max: 1000,
        value: 0,
        disabled: "",
        "aria-label": `Place in ${name}`,
        input: () => deck.seek((place.value / 1000) * deck.duration),
    });
    const time = make("span", { class: "time", "aria-hidden": "true" });
    root.append(button, place, time);
    let label = null;
    const show = () => {
        const wanted = `${deck.playing ? "Pause" : "Play"} ${name}`;
        if (label !== wanted) {
            label = wanted;
            button.textContent = deck.playing ? "Pause" : "Play";
            button.setAttribute("aria-label", label);
        }
        if (!deck.duration) return;
        place.disabled = false;
        place.value = (1000 * deck.now()) / deck.duration;
        place.style.setProperty("--filled", `${place.value / 10}%`);
        time.textContent = `${deck.now().toFixed(1)} / ${deck.duration.toFixed(1)} s`;
        place.setAttribute("aria-valuetext", `${deck.now().toFixed(1)} seconds`);
    };
    deck.onChange = show;
    show();
    return show;
}

/* A slider that has no value until it is moved or pressed. */
function makeSlider(test, name, value, onRate) {
    const slider = make("input", {
        type: "range",
        min: test.low,
        max: test.high,
        step: 1,
        value: value ?? test.low,
        "aria-label": `Rating of ${name}`,
    });
    const number = make("output", { class: "number" });
    const word = make("span", { class: "word" });
    let rated = value !== undefined;
    const show = () => {
        const fifth = Math.floor(((slider.value - test.low) / (test.high - test.low + 1)) * 5);
        number.textContent = rated ? slider.value : "–";
        word.textContent = slider.disabled ? "listen first" : rated ? test.labels[fifth] : "not rated";
        slider.classList.toggle("unrated", !rated);
        slider.style.setProperty(
            "--filled",
            `${rated ? (100 * (slider.value - test.low)) / (test.high - test.low) : 0}%`,
        );
        slider.setAttribute(
            "aria-valuetext",
            rated ? `${slider.value}, ${word.textContent}` : word.textContent,
        );
    };
    const rate = () => {
        rated = true;
        show();
        onRate(Number(slider.value));
    };
    slider.addEventListener("input", rate);
    slider.addEventListener("pointerup", () => slider.disabled || rate());
    slider.addEventListener("keyup", (event) => {
        if (!rated && /^(Arrow|Page|Home|End)/.test(event.key)) rate();
    });
    const step = (by) => {
        if (slider.disabled) return;
        slider.value = Number(slider.value) + by;
        rate();
    };
    const enable = (able) => {
        slider.disabled = !able;
        show();
    };
    return { slider, number, word, step, enable };
}

function download(name, text) {
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    const link = make("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
}
