"use strict";

/* A trial has an element (`root`), a deck that the space bar plays (`main`), what is
 * still to be done (`missing`), and answers keys (`press`) and sounds heard (`unlock`).
 */
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

function sentence(text) {
    return text ? [make("p", { class: "sentence" }, `“${text}”`)] : [];
}

/* All versions of an item, switched while they run, each with a slider. */
function compareTrial(test, ids, store, player, changed) {
    const { text, reference } = test.about[ids[0]];
    const deck = new Deck(player, [reference, ...ids], true);
    const names = new Map([[reference, "the reference"]]);
    ids.forEach((id, index) => names.set(id, `sound ${LETTERS[index]}`));
    const buttons = new Map();
    const sliders = new Map();
    const hear = (id) => {
        if (deck.playing && deck.active === id) return deck.pause();
        deck.select(id);
        return deck.playing ? undefined : deck.play();
    };
    const button = (id, label, digit) => {
        const made = make("button", {
            type: "button",
            class: "sound",
            "aria-pressed": "false",
            "aria-keyshortcuts": digit < 10 ? digit : null,
            click: () => hear(id),
        }, label);
        buttons.set(id, made);
        return made;
    };
    const transport = make("div", { class: "transport", role: "group", "aria-label": "Player" });
    const scale = make("div", { class: "scale", "aria-hidden": "true" },
        ...test.labels.map((label) => make("span", {}, label)));
    const rows = ids.map((id, index) => {
        const row = makeSlider(test, names.get(id), store.state.ratings[id], (value) => {
            store.rate(id, value);
            changed();
        });
        row.enable(store.hasHeard(id));
        sliders.set(id, row);
        return make("div", { class: "row", role: "group", "aria-label": names.get(id) },
            button(id, LETTERS[index], index + 1), row.slider, row.number, row.word);
    });
    const root = make("div", { class: "card" },
        ...sentence(text),
        make("p", { class: "question" }, test.question),
        transport,
        make("div", { class: "row head" }, button(reference, "Reference", 0), scale),
        ...rows);
    const showPlace = fillTransport(transport, deck, "the sounds");
    deck.onChange = () => {
        showPlace();
        for (const [id, one] of buttons) {
            const pressed = String(id === deck.active);
            if (one.getAttribute("aria-pressed") !== pressed) one.setAttribute("aria-pressed", pressed);
            one.classList.toggle("sounding", deck.playing && id === deck.active);
        }
    };
    deck.onChange();
    return {
        root,
        main: deck,
        unlock: (id) => sliders.get(id)?.enable(true),
        missing() {
            const unheard = [reference, ...ids].filter((id) => !store.hasHeard(id));
            const unrated = ids.filter((id) => !(id in store.state.ratings));
            if (unheard.length) return `Still to hear: ${unheard.map((id) => names.get(id)).join(", ")}.`;
            if (unrated.length) return `Still to rate: ${unrated.map((id) => names.get(id)).join(", ")}.`;
            return "";
        },
        press(key, free) {
            const id = /^\d$/.test(key) ? [reference, ...ids][Number(key)] : undefined;
            if (id !== undefined) {
                const slider = sliders.get(id)?.slider;
                (slider && !slider.disabled ? slider : buttons.get(id)).focus();
                if (!deck.playing || deck.active !== id) hear(id);
                return true;
            }
            const row = sliders.get(deck.active);
            const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[key];
            if (!free || !step || !row || row.slider.disabled) return false;
            row.step(step);
            row.slider.focus();
            return true;
        },
    };
}

/* One sound with five answers; a prompt beside it if the voice is rated. */
function singleTrial(test, [id], store, player, changed) {
    const { text, prompt } = test.about[id];
    const deck = new Deck(player, [id], false);
    const others = prompt ? [new Deck(player, [prompt], false)] : [];
    const voice = (title, name, one) => {
        const transport = make("div", { class: "transport", role: "group", "aria-label": title });
        const block = prompt ? [make("h2", {}, title)] : [];
        fillTransport(transport, one, name);
        return [...block, transport];
    };
    const radios = test.labels.map((label, index) => {
        const value = test.low + index;
        const radio = make("input", {
            type: "radio",
            name: "rating",
            value,
            change: () => {
                store.rate(id, value);
                changed();
            },
        });
        radio.checked = store.state.ratings[id] === value;
        return radio;
    });
    const lock = () => radios.forEach((radio) => (radio.disabled = !ready()));
    const ready = () => [prompt, id].every((one) => !one || store.hasHeard(one));
    const answers = make("fieldset", { class: "answers" },
        make("legend", { class: "question" }, test.question),
        ...radios.map((radio, index) =>
            make("label", {}, radio, make("b", {}, radio.value), make("span", {}, test.labels[index]))));
    lock();
    return {
        root: make("div", { class: "card" },
            ...sentence(text),
            ...others.flatMap((one) => voice("Prompt: the person's voice", "the prompt", one)),
            ...voice("Sound to rate", "the sound", deck),
            answers),
        main: deck,
        unlock: lock,
        missing() {
            if (prompt && !store.hasHeard(prompt)) return "Listen to the prompt first.";
            if (!store.hasHeard(id)) return "Listen to the whole sound, then rate it.";
            return id in store.state.ratings ? "" : "Still to rate: this sound.";
        },
        press(key) {
            if (key === "0" && others.length) {
                others[0].toggle();
                return true;
            }
            const radio = radios.find((one) => one.value === key);
            if (!radio) return false;
            if (radio.disabled) return changed(true), true;
            radio.focus();
            radio.click();
            return true;
        },
    };
}
