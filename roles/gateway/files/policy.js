// Copyright (c) 2026, llm.host contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// What nginx cannot decide without reading JSON: which model a request is for, and which of its options Ollama is to see.
// It runs on njs 0.7.9 and later, which has no "for ... of". What is not understood is refused, and an exception is a 500.

// What is parsed after the answer, for the log, keeps the worker from others: about 10 ms for each MB.
const LARGEST_LOGGED = 256 * 1024;
// nginx keeps the length of a variable in 28 bits.
const LARGEST_REWRITTEN = Math.pow(2, 28) - 1;
// What nginx looks into, letter by letter, before it is forwarded.
const LARGEST_ASKING = 1000000;
const REGISTRY = 'registry.ollama.ai';
// [host[:port]/][namespace/]model[:tag], as Ollama reads it. A literal is compiled once, and new RegExp() for each request.
const NAME = /^(?:(?:(\w[\w.:-]{0,349})\/)?(\w[\w-]{0,79})\/)?(\w[\w.-]{0,79})(?::(\w[\w.-]{0,79}))?/;

// One form for all spellings of a name, the one in which $llm_models lists them; empty for what is no name.
function keyOf(name) {
    const found = typeof name === 'string' ? NAME.exec(name) : null;
    // Not by a $ in the pattern, which would also accept a line break at the end.
    if (!found || found[0].length !== name.length) {
        return '';
    }
    return `${found[1] || REGISTRY}/${found[2] || 'library'}/${found[3]}:${found[4] || 'latest'}`.toLowerCase();
}

// Go's decoder takes a key for a field whatever its case, and two letters beyond ASCII for a k and an s.
function folded(key) {
    return key.toLowerCase().replace(/\u212a/g, 'k').replace(/\u017f/g, 's');
}

// There is neither a k nor an s in this one, so that its length tells most others apart.
function isModel(key) {
    return key.length === 5 && key.toLowerCase() === 'model';
}

function words(text) {
    return text ? text.split(' ') : [];
}

function textOf(r) {
    // Not requestText, which in older versions is no proper string when the body is not proper UTF-8.
    const body = r.requestBuffer;
    return body && body.length ? body.toString() : '';
}

function isObject(value) {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(r, status, code, message) {
    const type = status === 403 ? 'permission_error' : 'invalid_request_error';
    const path = r.variables.llm_path;
    let body = {error: message};
    if (path.startsWith('/v1/messages')) {
        body = {type: 'error', error: {type: type, message: message}};
    } else if (path.startsWith('/v1/')) {
        body = {error: {message: message, type: type, param: 'model', code: code}};
    }
    r.return(status, JSON.stringify(body) + '\n');
}

function refuseModel(r, name) {
    const allowed = words(r.variables.llm_models).map((key) => key.replace(`${REGISTRY}/`, '').replace('library/', '').replace(/:latest$/, ''));
    refuse(r, 403, 'model_not_allowed', `The model '${name.slice(0, 200)}' is not among those that you may use, which are ${allowed.join(', ')}.`
        + ' Ask the administrators of this endpoint for more.');
}

function refuseUnread(r, why) {
    refuse(r, 400, 'unreadable_request', `The gateway has to look into this request and cannot: ${why}.`);
}

// Why the request may not pass, for who may only use certain models; true when it may.
function mayPass(r, request) {
    const name = request.model;
    const disguised = Object.keys(request).filter((key) => key !== 'model' && isModel(key));
    if (disguised.length) {
        refuseUnread(r, `it has the key '${disguised[0]}' beside, or instead of, 'model'`);
    } else if (typeof name !== 'string' || name === '') {
        refuseUnread(r, "its 'model' is not the name of a model");
    } else {
        const key = keyOf(name);
        r.variables.llm_asked = key ? name : '';
        if (key && words(r.variables.llm_models).includes(key)) {
            return true;
        }
        refuseModel(r, name);
    }
    return false;
}

// Whether one of the names can be in this JSON, in any spelling that Go would accept. Spelt out and not by a flag, so that no letter is forgotten.
function mayHold(text, names) {
    const spelt = names.map((name) => name.replace(/[a-z]/g, (letter) => {
        const more = {k: '\u212a', s: '\u017f'}[letter] || '';
        return `[${letter}${letter.toUpperCase()}${more}]`;
    }));
    return new RegExp(`${spelt.join('|')}|\\\\u(?:00[4-7]|017[fF]|212[aA])`).test(text);
}

function withoutOptions(request, names) {
    Object.keys(request).forEach((key) => {
        const name = folded(key);
        const value = request[key];
        if (names.includes(name)) {
            delete request[key];
        } else if (name === 'options' && isObject(value)) {
            names.forEach((option) => delete value[option]);
        }
    });
    return request;
}

// The request of who may only use certain models, or whose options are not all to be heard.
function body(r) {
    const models = r.variables.llm_models;
    const ignored = words(r.variables.llm_ignored);
    const encoding = r.headersIn['Content-Encoding'];
    if (encoding && encoding.toLowerCase() !== 'identity') {
        refuseUnread(r, 'send it without Content-Encoding');
        return;
    }
    const text = textOf(r);
    const rewritten = ignored.length > 0 && mayHold(text, ignored);
    if (!models && !rewritten) {
        passOn(r, text, rewritten);
        return;
    }
    let request = null;
    try {
        request = JSON.parse(text);
    } catch (e) {
        request = null;
    }
    if (!isObject(request)) {
        refuseUnread(r, 'it is not one JSON object, of at most 31 levels');
        return;
    }
    if (models && !mayPass(r, request)) {
        return;
    }
    if (!rewritten) {
        passOn(r, text, rewritten);
        return;
    }
    const shorter = JSON.stringify(withoutOptions(request, ignored));
    if (Buffer.byteLength(shorter) > LARGEST_REWRITTEN) {
        refuseUnread(r, 'it is too large');
        return;
    }
    r.variables.llm_asked = keyOf(request.model) ? request.model : '';
    passOn(r, shorter, rewritten);
}

function passOn(r, text, rewritten) {
    r.variables.llm_body = rewritten ? text : '';
    if (r.variables.llm_may_ask && text.length <= LARGEST_ASKING) {
        r.internalRedirect('//ask');
    } else {
        r.internalRedirect(rewritten ? '//rewritten' : '//infer');
    }
}

// A model's own address.
function name(r) {
    const asked = r.variables.llm_path.replace(/^.*\//, '').replace(/%3a/gi, ':');
    if (words(r.variables.llm_models).includes(keyOf(asked))) {
        r.internalRedirect('//forward');
    } else {
        refuseModel(r, asked);
    }
}

function upload(r) {
    refuseUnread(r, 'you may use certain models only, and an upload does not show which one it is for');
}

function listHeader(r) {
    // It will be another length.
    delete r.headersOut['Content-Length'];
}

let list_text = '';

// The lists of models, without those that the user may not use.
function list(r, data, flags) {
    if (r.status !== 200) {
        r.sendBuffer(data, flags);
        return;
    }
    list_text += data;
    if (flags.last) {
        const whole = list_text;
        list_text = '';
        r.sendBuffer(JSON.stringify(ownModels(whole, words(r.variables.llm_models))), flags);
    }
}

function ownModels(text, allowed) {
    const whole = JSON.parse(text);
    ['models', 'data'].forEach((field) => {
        if (Array.isArray(whole[field])) {
            whole[field] = whole[field].filter((model) => allowed.includes(keyOf(model.name || model.id)));
        }
    });
    return whole;
}

// For the log, after the answer: the model that a request named, where nginx has the request in memory.
function asked(r) {
    try {
        const seen = r.requestBuffer;
        if (!seen || seen.length > LARGEST_LOGGED) {
            return '';
        }
        const request = JSON.parse(seen.toString());
        const names = Object.keys(request).filter((key) => isModel(key) && keyOf(request[key]));
        return names.length ? request[names[names.length - 1]] : '';
    } catch (e) {
        return '';
    }
}

export default {asked, body, list, listHeader, name, upload};
