"use strict";

const FADE = 0.008; // seconds, so that no switch clicks
const TICK = 50; // milliseconds

/* Plays one deck at a time, and counts how long each sound was heard. */
class Player {
    constructor(addresses, mustHear) {
        this.addresses = addresses;
        this.mustHear = mustHear;
        this.seconds = {};
        this.context = null;
        this.deck = null;
        this.turn = 0;
        this.onHeard = () => {};
        this.onProblem = () => {};
    }

    /* A browser lets a page make sound after the first key or click. */
    async open() {
        if (navigator.audioSession) navigator.audioSession.type = "playback";
        this.context = this.context || new AudioContext();
        await this.context.resume();
    }

    decode(id) {
        const text = atob(this.addresses[id].split(",", 2)[1]);
        const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
        return this.context.decodeAudioData(bytes.buffer);
    }

    stop() {
        this.turn += 1;
        if (this.deck) this.deck.halt();
        this.deck = null;
    }

    count(id, seconds) {
        const before = this.seconds[id] || 0;
        this.seconds[id] = before + seconds;
        const needed = this.mustHear[id];
        if (before < needed && this.seconds[id] >= needed) this.onHeard(id);
    }
}

/* Sounds that run in step, of which one is heard. */
class Deck {
    constructor(player, ids, loop) {
        this.player = player;
        this.ids = ids;
        this.loop = loop;
        this.active = ids[0];
        this.position = 0;
        this.duration = 0;
        this.playing = false;
        this.onChange = () => {};
    }

    async play() {
        const player = this.player;
        if (player.deck !== this) player.stop();
        const turn = ++player.turn;
        player.deck = this;
        try {
            await player.open();
            const sounds = await Promise.all(
                this.ids.map((id) => (this.buffers ? null : player.decode(id))),
            );
            this.buffers = this.buffers || sounds;
        } catch (problem) {
            player.onProblem(problem);
            return;
        }
        if (turn !== player.turn || this.playing) return;
        this.duration = this.buffers[0].duration;
        if (this.position >= this.duration - 0.01) this.position = 0;
        this.run();
    }

    run() {
        const context = this.player.context;
        const start = context.currentTime + 0.02;
        this.gains = new Map();
        this.sources = this.ids.map((id, index) => {
            const source = new AudioBufferSourceNode(context, {
                buffer: this.buffers[index],
                loop: this.loop,
            });
            const gain = new GainNode(context, { gain: id === this.active ? 1 : 0 });
            source.connect(gain).connect(context.destination);
            source.start(start, this.position);
            this.gains.set(id, gain.gain);
            return source;
        });
        this.origin = start - this.position;
        this.counted = start;
        this.playing = true;
        this.timer = setInterval(() => this.tick(), TICK);
        this.onChange();
    }

    tick() {
        const time = this.player.context.currentTime;
        const end = this.loop ? time : Math.min(time, this.origin + this.duration);
        this.player.count(this.active, Math.max(0, end - this.counted));
        this.counted = Math.max(this.counted, end);
        if (!this.loop && time >= this.origin + this.duration) {
            this.halt();
            this.position = 0;
        }
        this.onChange();
    }

    halt() {
        if (!this.playing) return;
        this.position = this.now();
        clearInterval(this.timer);
        const time = this.player.context.currentTime;
        this.gains.get(this.active).setTargetAtTime(0, time, FADE / 3);
        this.sources.forEach((source) => source.stop(time + FADE));
        this.playing = false;
        this.onChange();
    }

    pause() {
        if (this.playing) this.tick();
        if (this.player.deck === this) this.player.stop();
    }

    toggle() {
        return this.playing ? this.pause() : this.play();
    }

    select(id) {
        if (this.playing) {
            this.tick();
            const time = this.player.context.currentTime;
            for (const [one, gain] of this.gains) {
                gain.setTargetAtTime(one === id ? 1 : 0, time, FADE / 3);
            }
        }
        this.active = id;
        this.onChange();
    }

    seek(seconds) {
        const was = this.playing;
        if (was) this.halt();
        this.position = seconds;
        if (was) this.run();
        else this.onChange();
    }

    now() {
        if (!this.playing) return this.position;
        const time = Math.max(0, this.player.context.currentTime - this.origin);
        return this.loop ? time % this.duration : Math.min(time, this.duration);
    }
}
