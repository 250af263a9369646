// Copyright (c) 2026, llm.host contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// How many tokens a request cost, as Ollama itself says it at the end of the answer. The answer passes as it comes; only its end is kept.
// It runs on njs 0.7.9 and later, which hands over each piece as a copy and frees nothing before the request ends: so remembering all pieces costs
// nothing, and making something of each would.

// Behind the counters comes at most what clients of /v1/responses call metadata.
const KEPT = 8192;
// How nearly all answers end: no brace comes behind these counters, so they are not of anything that the model wrote.
const NEAR = 384;
const OWN = /"total_duration":\d+,"load_duration":\d+(?:,"prompt_eval_count":(\d+))?(?:,"prompt_eval_duration":\d+)?(?:,"eval_count":(\d+))?(?:,"eval_duration":\d+)?\}\n?$/;
const WHOLE = /\],"usage":\{"prompt_tokens":(\d+),"completion_tokens":(\d+),"total_tokens":\d+\}\}\n?$/;
const STREAM = /"choices":\[\],"usage":\{"prompt_tokens":(\d+),"completion_tokens":(\d+),"total_tokens":\d+\}\}\n\ndata: \[DONE\]\n\n$/;
const COUNTERS = '"usage":{';
const MENTIONED = /"usage":|_count":|"done":true/;
const DATA = 'data: ';
const LINE_FEED = 10;
const OPENING = 123;
const BRACE = 125;
const BRACKET = 93;
const pieces = [];
let held = null;
let stripping = null;

// A body filter: what passes is only looked at.
function count(r, data, flags) {
    pieces.push(data);
    r.sendBuffer(data, flags);
}

// A body filter for what nginx may have asked for the counters: the client sees what it would have seen if it had not.
// Whole events pass at once, and the beginning of one waits for the rest.
function strip(r, data, flags) {
    if (stripping === null) {
        stripping = r.variables.llm_asking === '1' && (r.headersOut['Content-Type'] || '').startsWith('text/event-stream');
    }
    if (!stripping) {
        count(r, data, flags);
        return;
    }
    pieces.push(data);
    if (!held && endsWithChoices(data)) {
        r.sendBuffer(data, flags);
        return;
    }
    const whole = held ? Buffer.concat([held, data]) : data;
    const gap = flags.last ? whole.length : whole.lastIndexOf('\n\n');
    const events = flags.last ? gap : gap < 0 ? 0 : gap + 2;
    held = events < whole.length ? whole.slice(events) : null;
    const passing = withoutCounters(held ? whole.slice(0, events) : whole);
    if (passing.length || flags.last) {
        r.sendBuffer(passing, flags);
    }
}

// What nearly all pieces do, which then hold no counters, since these come last.
function endsWithChoices(data) {
    const at = data.length;
    return data[at - 1] === LINE_FEED && data[at - 2] === LINE_FEED && data[at - 3] === BRACE && data[at - 4] === BRACKET;
}

function withoutCounters(events) {
    if (events.indexOf(COUNTERS) < 0) {
        return events;
    }
    return events.toString().split('\n\n')
        .filter((event) => !(event.includes(COUNTERS) && event.includes('"choices":[]')))
        .map((event) => event.replace(/,"usage":\{[^{}]*\}(?=\}$)/, ''))
        .join('\n\n');
}

// For the log, after the answer: the tokens of prompt and completion, with a space between; empty where the answer did not come so far.
function tokens() {
    if (!pieces.length) {
        return '';
    }
    const near = end(NEAR);
    const usual = pieces[0][0] === OPENING ? OWN.exec(near) || WHOLE.exec(near) : STREAM.exec(near);
    return usual ? pair(usual[1], usual[2]) : search(end(KEPT).split('\n'));
}

function search(lines) {
    for (let i = lines.length - 1; i >= 0; i--) {
        const found = MENTIONED.test(lines[i]) ? ofLine(lines[i]) : '';
        if (found) {
            return found;
        }
    }
    return '';
}

// So many bytes of it, where it has them.
function end(kept) {
    let first = pieces.length;
    for (let size = 0; first > 0 && size < kept; size += pieces[first].length) {
        first--;
    }
    const last = pieces.length - first === 1 ? pieces[first] : Buffer.concat(pieces.slice(first));
    return last.toString('utf8', Math.max(0, last.length - kept));
}

function ofLine(line) {
    const event = line.startsWith(DATA);
    try {
        return ofAnswer(JSON.parse(event ? line.slice(DATA.length) : line), event);
    } catch (e) {
        return ofRest(line);
    }
}

function ofAnswer(said, event) {
    const usage = said.usage || (said.response || {}).usage;
    if (usage) {
        // The events of a stream of /v1/completions all have counters, which are zeros but for the last one.
        return event && (said.choices || []).length ? '' : pair(usage.prompt_tokens || usage.input_tokens, usage.completion_tokens || usage.output_tokens);
    }
    return said.done === true || said.embeddings ? pair(said.prompt_eval_count, said.eval_count) : '';
}

// A line whose beginning is not kept any more.
function ofRest(line) {
    const prompt = line.match(/.*"(?:prompt_eval_count|prompt_tokens|input_tokens)":(\d+)/);
    const completion = line.match(/.*"(?:eval_count|completion_tokens|output_tokens)":(\d+)/);
    return prompt || completion ? pair(prompt && prompt[1], completion && completion[1]) : '';
}

function pair(prompt, completion) {
    return `${Number(prompt) || 0} ${Number(completion) || 0}`;
}

export default {count, strip, tokens};
