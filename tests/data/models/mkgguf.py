# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes tiny.gguf and embed.gguf, two models with random weights (needs the packages gguf and numpy)."""

import gguf
import numpy as np

rng = np.random.default_rng(1)


def toks():
    t = [b"<unk>", b"<s>", b"</s>"]
    ty = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    sc = [0.0, 0.0, 0.0]
    for i in range(256):
        t.append(b"<0x%02X>" % i)
        ty.append(gguf.TokenType.BYTE)
        sc.append(0.0)
    words = [
        "\u2581",
        "e",
        "t",
        "a",
        "o",
        "i",
        "n",
        "s",
        "h",
        "r",
        "d",
        "l",
        "u",
        "c",
        "m",
        "f",
        "w",
        "y",
        "g",
        "p",
        "b",
        "v",
        "k",
        "x",
        "q",
        "j",
        "z",
        ".",
        ",",
        "!",
        "?",
    ]
    words += [
        "\u2581the",
        "\u2581a",
        "\u2581hello",
        "\u2581world",
        "\u2581tiny",
        "\u2581model",
        "\u2581llama",
        "\u2581is",
        "\u2581and",
        "th",
        "he",
        "in",
        "er",
        "an",
        "on",
    ]
    for i, w in enumerate(words):
        t.append(w.encode())
        ty.append(gguf.TokenType.NORMAL)
        sc.append(-float(i))
    while len(t) % 32:
        t.append(b"<pad%d>" % len(t))
        ty.append(gguf.TokenType.UNUSED)
        sc.append(-1000.0)
    return t, sc, ty


def tokenizer(w, t, sc, ty):
    w.add_tokenizer_model("llama")
    w.add_tokenizer_pre("default")
    w.add_token_list(t)
    w.add_token_scores(sc)
    w.add_token_types([int(x) for x in ty])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_unk_token_id(0)
    w.add_add_bos_token(True)
    w.add_add_eos_token(False)


def llama(path, L=2, D=64, H=4, KV=2, FF=128, ctx=2048):
    t, sc, ty = toks()
    V = len(t)
    w = gguf.GGUFWriter(path, "llama")
    w.add_name("tiny-random-llama")
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_size_label("tiny")
    w.add_context_length(ctx)
    w.add_embedding_length(D)
    w.add_block_count(L)
    w.add_feed_forward_length(FF)
    w.add_head_count(H)
    w.add_head_count_kv(KV)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(D // H)
    w.add_rope_freq_base(10000.0)
    w.add_vocab_size(V)
    tokenizer(w, t, sc, ty)
    w.add_chat_template("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:")
    f = lambda *s: (rng.standard_normal(s) * 0.05).astype(np.float16)
    one = lambda n: np.ones(n, np.float32)
    # dim 0 is the same for every token, so output.weight[:,0] is a per-token bias:
    # only ordinary text tokens (and, rarely, EOS) are ever produced: always valid UTF-8
    emb = (rng.standard_normal((V, D)) * 0.3).astype(np.float16)
    emb[:, 0] = 1.0
    out = (rng.standard_normal((V, D)) * 0.3).astype(np.float16)
    out[:, 0] = 0
    for i, k in enumerate(ty):
        if int(k) != 1:
            out[i, 0] = -30.0
    out[2, 0] = -1.5
    w.add_tensor("token_embd.weight", emb)
    w.add_tensor("output_norm.weight", one(D))
    w.add_tensor("output.weight", out)
    hd = D // H
    for i in range(L):
        p = f"blk.{i}."
        w.add_tensor(p + "attn_norm.weight", one(D))
        w.add_tensor(p + "ffn_norm.weight", one(D))
        w.add_tensor(p + "attn_q.weight", f(D, D))
        w.add_tensor(p + "attn_k.weight", f(KV * hd, D))
        w.add_tensor(p + "attn_v.weight", f(KV * hd, D))
        w.add_tensor(p + "attn_output.weight", f(D, D))
        w.add_tensor(p + "ffn_gate.weight", f(FF, D))
        w.add_tensor(p + "ffn_up.weight", f(FF, D))
        w.add_tensor(p + "ffn_down.weight", f(D, FF))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def bert(path, L=1, D=32, H=2, FF=64, ctx=512):
    # wordpiece vocabulary as in converted BERT GGUFs: word starts carry U+2581
    t = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    ty = [3, 2, 3, 3, 3]
    import string

    chars = string.ascii_lowercase + string.digits + ".,!?-"
    for c in chars:
        t.append("\u2581" + c)
        ty.append(1)
    for c in chars:
        t.append(c)
        ty.append(1)
    for c in ["the", "hello", "world", "tiny", "model", "llama"]:
        t.append("\u2581" + c)
        ty.append(1)
    while len(t) % 32:
        t.append(f"[unused{len(t)}]")
        ty.append(5)
    V = len(t)
    w = gguf.GGUFWriter(path, "bert")
    w.add_name("tiny-random-embed")
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_context_length(ctx)
    w.add_embedding_length(D)
    w.add_block_count(L)
    w.add_feed_forward_length(FF)
    w.add_head_count(H)
    w.add_layer_norm_eps(1e-12)
    w.add_causal_attention(False)
    w.add_pooling_type(gguf.PoolingType.MEAN)
    w.add_vocab_size(V)
    w.add_tokenizer_model("bert")
    w.add_tokenizer_pre("default")
    w.add_token_list([x.encode() for x in t])
    w.add_token_scores([-1000.0] * V)
    w.add_token_types(ty)
    w.add_token_type_count(2)
    w.add_unk_token_id(1)
    w.add_sep_token_id(3)
    w.add_pad_token_id(0)
    w.add_uint32("tokenizer.ggml.cls_token_id", 2)
    w.add_mask_token_id(4)
    w.add_bos_token_id(2)
    w.add_eos_token_id(3)
    f = lambda *s: (rng.standard_normal(s) * 0.1).astype(np.float16)
    f32 = lambda *s: (rng.standard_normal(s) * 0.1).astype(np.float32)
    one = lambda n: np.ones(n, np.float32)
    z = lambda n: np.zeros(n, np.float32)
    w.add_tensor("token_embd.weight", f(V, D))
    w.add_tensor("position_embd.weight", f32(ctx, D))
    w.add_tensor("token_types.weight", f32(2, D))
    w.add_tensor("token_embd_norm.weight", one(D))
    w.add_tensor("token_embd_norm.bias", z(D))
    for i in range(L):
        p = f"blk.{i}."
        for n in "qkv":
            w.add_tensor(p + f"attn_{n}.weight", f(D, D))
            w.add_tensor(p + f"attn_{n}.bias", z(D))
        w.add_tensor(p + "attn_output.weight", f(D, D))
        w.add_tensor(p + "attn_output.bias", z(D))
        w.add_tensor(p + "attn_output_norm.weight", one(D))
        w.add_tensor(p + "attn_output_norm.bias", z(D))
        w.add_tensor(p + "ffn_up.weight", f(FF, D))
        w.add_tensor(p + "ffn_up.bias", z(FF))
        w.add_tensor(p + "ffn_down.weight", f(D, FF))
        w.add_tensor(p + "ffn_down.bias", z(D))
        w.add_tensor(p + "layer_output_norm.weight", one(D))
        w.add_tensor(p + "layer_output_norm.bias", z(D))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


llama("tiny.gguf")
bert("embed.gguf")
