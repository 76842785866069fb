"use strict";

/* What a rater answered, kept in this browser under the test's id. */
class Store {
    constructor(test) {
        this.test = test;
        const number = new URLSearchParams(
            `${location.search.slice(1)}&${location.hash.slice(1)}`,
        ).get("rater");
        this.given = /^[1-9]\d{0,5}$/.test(number || "") ? Number(number) : null;
        this.name = `listening test ${test.id}`;
        // Raters who were sent their own address may share a computer.
        if (this.given) this.name += ` ${this.given}`;
        this.kept = true;
        this.state = this.read() || this.blank();
    }

    blank() {
        const drawn = crypto.getRandomValues(new Uint32Array(5));
        return {
            session: [...drawn.slice(1)].map((x) => x.toString(16).padStart(8, "0")).join(""),
            rater: this.given || 1 + (drawn[0] % 9999),
            raterId: "",
            headphones: "",
            screen: "welcome",
            ratings: {},
            heard: {},
            startedAt: null,
            finishedAt: null,
        };
    }

    read() {
        try {
            return JSON.parse(localStorage.getItem(this.name));
        } catch {
            this.kept = false;
            return null;
        }
    }

    save() {
        try {
            localStorage.setItem(this.name, JSON.stringify(this.state));
        } catch {
            this.kept = false; // private windows, or no room
        }
    }

    beginAnew() {
        this.given = null;
        this.state = this.blank();
        this.save();
    }

    get trials() {
        const rows = this.test.rows;
        return rows[(this.state.rater - 1) % rows.length];
    }

    rate(id, value) {
        this.state.ratings[id] = value;
        this.state.finishedAt = null;
        this.save();
    }

    hasHeard(id) {
        return this.state.heard[id] === true;
    }

    markHeard(id) {
        this.state.heard[id] = true;
        this.save();
    }

    isRated(trial) {
        return trial.every((id) => id in this.state.ratings);
    }

    /* The answers as they are sent in. */
    answers() {
        const state = this.state;
        return {
            format: "espnet-st listening answers",
            version: 1,
            test: this.test.id,
            kind: this.test.kind,
            session: state.session,
            rater_number: state.rater,
            rater_id: state.raterId,
            headphones: state.headphones,
            started_at: state.startedAt,
            finished_at: state.finishedAt,
            ratings: Object.fromEntries(
                this.trials
                    .flat()
                    .filter((id) => id in state.ratings)
                    .map((id) => [id, state.ratings[id]]),
            ),
        };
    }

    answersText() {
        return JSON.stringify(this.answers(), null, 1) + "\n";
    }
}
