"use strict";

(() => {
    const get = (id) => document.getElementById(id);
    const test = JSON.parse(get("content").textContent);
    const store = new Store(test);
    const player = new Player(test.sounds, test.mustHear);
    const compares = test.kind === "mushra";
    let trial = null;

    function notify(text) {
        get("notice").textContent = text;
    }

    /* Say what is missing, how far one is; `loudly` also to those who cannot see it. */
    function changed(loudly) {
        const missing = trial.missing();
        get("todo").textContent = missing;
        get("next").classList.toggle("waiting", missing !== "");
        get("progress").max = store.trials.length;
        get("progress").value = store.trials.filter((one) => store.isRated(one)).length;
        if (loudly === true) notify(missing);
        if (!store.kept) notify("This browser does not keep answers: do not close or reload the page.");
    }

    function show(screen, focus = true) {
        player.stop();
        notify("");
        store.state.screen = screen;
        store.save();
        const name = typeof screen === "number" ? "test" : screen;
        for (const one of ["welcome", "test", "finish"]) get(one).hidden = one !== name;
        trial = null;
        ({ welcome: showWelcome, test: showTrial, finish: showFinish })[name]();
        if (focus) document.querySelector(`#${name} h1`).focus({ preventScroll: true });
        scrollTo(0, 0);
    }

    function showWelcome() {
        const { rater, raterId, headphones, startedAt } = store.state;
        get("rater").value = rater;
        get("rater").disabled = startedAt !== null || store.given !== null;
        get("name").value = raterId;
        get("headphones").value = headphones;
        get("start").textContent = startedAt ? "Continue" : "Start";
    }

    function showTrial() {
        const { screen } = store.state;
        const makeTrial = compares ? compareTrial : singleTrial;
        trial = makeTrial(test, store.trials[screen], store, player, changed);
        get("where").textContent = `Trial ${screen + 1} of ${store.trials.length}`;
        get("trial").replaceChildren(trial.root);
        get("next").textContent = screen + 1 < store.trials.length ? "Next" : "Finish";
        changed();
    }

    function showFinish() {
        get("send-to").textContent = test.sendTo;
        get("answers").value = store.answersText();
    }

    function goOn() {
        if (trial.missing()) return changed(true);
        const next = store.state.screen + 1;
        if (next < store.trials.length) return show(next);
        const open = store.trials.findIndex((one) => !store.isRated(one));
        if (open >= 0) return show(open);
        store.state.finishedAt = store.state.finishedAt || new Date().toISOString();
        return show("finish");
    }

    function fileName() {
        return `answers-${test.kind}-${test.id}-${store.state.session.slice(0, 8)}.json`;
    }

    async function copy() {
        const area = get("answers");
        try {
            await navigator.clipboard.writeText(area.value);
        } catch {
            area.closest("details").open = true;
            area.select();
            if (!document.execCommand("copy")) return notify("Copy the marked text by hand.");
        }
        return notify("The answers are copied.");
    }

    function pressed(event) {
        const target = event.target;
        if (!trial || event.ctrlKey || event.altKey || event.metaKey) return;
        if (target.matches("textarea, select, input[type=text], input[type=number]")) return;
        const { key } = event;
        let done = false;
        if (key === " ") {
            done = !target.closest("button, summary, a");
            if (done) trial.main.toggle();
        } else {
            done = trial.press(key, !target.matches("input"));
        }
        if (done) event.preventDefault();
    }

    function keyList(keys) {
        return make("dl", { class: "keys" }, ...keys.flatMap(([key, does]) =>
            [make("dt", {}, make("kbd", {}, key)), make("dd", {}, does)]));
    }

    function explainKeys() {
        const keys = [
            ["Space", "play, pause"],
            ...(compares
                ? [["0", "the reference"], ["1, 2, ...", "sound A, B, ..."],
                   ["← →", "rating of the sound that is heard, by 1"],
                   ["Page Up, Page Down", "by more"]]
                : [["1 to 5", "rate"]]),
            ...(test.kind === "smos" ? [["0", "play, pause the prompt"]] : []),
            ["Tab, Enter", "go to what stands next, press it"],
        ];
        get("keys").replaceChildren(...keyList(keys).children);
        get("again").replaceChildren(
            ...get("instructions").cloneNode(true).children, keyList(keys));
    }

    player.onHeard = (id) => {
        store.markHeard(id);
        if (!trial) return;
        trial.unlock(id);
        changed();
    };
    player.onProblem = (problem) => notify(`This browser cannot play the sound: ${problem.message}`);
    document.addEventListener("keydown", pressed);
    get("about-you").addEventListener("submit", (event) => {
        event.preventDefault();
        Object.assign(store.state, {
            rater: Number(get("rater").value),
            raterId: get("name").value.trim(),
            headphones: get("headphones").value,
            startedAt: store.state.startedAt || new Date().toISOString(),
        });
        const open = store.trials.findIndex((one) => !store.isRated(one));
        show(open >= 0 ? open : store.trials.length - 1);
    });
    get("back").addEventListener("click", () =>
        show(store.state.screen > 0 ? store.state.screen - 1 : "welcome"));
    get("next").addEventListener("click", goOn);
    get("so-far").addEventListener("click", () => download(fileName(), store.answersText()));
    get("download").addEventListener("click", () => download(fileName(), store.answersText()));
    get("copy").addEventListener("click", copy);
    get("review").addEventListener("click", () => show(store.trials.length - 1));
    get("another").addEventListener("click", () => {
        if (!confirm("This removes the answers from this browser. Are they saved?")) return;
        store.beginAnew();
        show("welcome");
    });
    fillTransport(get("volume"), new Deck(player, [test.volume], true), "a sound");
    explainKeys();
    show(store.state.screen, false);
})();
