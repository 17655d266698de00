"""Names and shapes of the released files for any four channel counts: pure Python.

Checked against the reference's own state_dicts. All return {name: shape}.
"""


def _linear(out, name, o, i, bias=True):
    out[f"{name}.weight"] = (o, i)
    if bias:
        out[f"{name}.bias"] = (o,)


def _conv(out, name, o, i, k):
    out[f"{name}.weight"] = (o, i, k, k)
    out[f"{name}.bias"] = (o,)


def _norm(out, name, c):
    out[f"{name}.weight"] = (c,)
    out[f"{name}.bias"] = (c,)


def _resnet(out, name, i, o, temb):
    _norm(out, f"{name}.norm1", i)
    _conv(out, f"{name}.conv1", o, i, 3)
    _linear(out, f"{name}.time_emb_proj", o, temb)
    _norm(out, f"{name}.norm2", o)
    _conv(out, f"{name}.conv2", o, o, 3)
    if i != o:
        _conv(out, f"{name}.conv_shortcut", o, i, 1)


def _spatial(out, name, c, text):
    _norm(out, f"{name}.norm", c)
    _conv(out, f"{name}.proj_in", c, c, 1)
    _conv(out, f"{name}.proj_out", c, c, 1)
    b = f"{name}.transformer_blocks.0"
    for attn, kv in (("attn1", c), ("attn2", text)):
        _linear(out, f"{b}.{attn}.to_q", c, c, False)
        _linear(out, f"{b}.{attn}.to_k", c, kv, False)
        _linear(out, f"{b}.{attn}.to_v", c, kv, False)
        _linear(out, f"{b}.{attn}.to_out.0", c, c)
    for n in ("norm1", "norm2", "norm3"):
        _norm(out, f"{b}.{n}", c)
    _linear(out, f"{b}.ff.net.0.proj", 8 * c, c)
    _linear(out, f"{b}.ff.net.2", c, 4 * c)


def unet_shapes(channels, text=768):
    """unet_merged: the plain SD 1.5 UNet under its diffusers names."""
    ch, temb, out = list(channels), 4 * channels[0], {}
    _conv(out, "conv_in", ch[0], 4, 3)
    _linear(out, "time_embedding.linear_1", temb, ch[0])
    _linear(out, "time_embedding.linear_2", temb, temb)
    for i, c in enumerate(ch):
        for j in range(2):
            _resnet(out, f"down_blocks.{i}.resnets.{j}", (ch[max(i - 1, 0)] if j == 0 else c), c, temb)
            if i < 3:
                _spatial(out, f"down_blocks.{i}.attentions.{j}", c, text)
        if i < 3:
            _conv(out, f"down_blocks.{i}.downsamplers.0.conv", c, c, 3)
    for j in range(2):
        _resnet(out, f"mid_block.resnets.{j}", ch[3], ch[3], temb)
    _spatial(out, "mid_block.attentions.0", ch[3], text)
    up = ch[::-1]
    for i, c in enumerate(up):
        previous, below = up[max(i - 1, 0)], up[min(i + 1, 3)]
        for j in range(3):
            skip = below if j == 2 else c
            _resnet(out, f"up_blocks.{i}.resnets.{j}", (previous if j == 0 else c) + skip, c, temb)
            if i > 0:
                _spatial(out, f"up_blocks.{i}.attentions.{j}", c, text)
        if i < 3:
            _conv(out, f"up_blocks.{i}.upsamplers.0.conv", c, c, 3)
    _norm(out, "conv_norm_out", ch[0])
    _conv(out, "conv_out", 4, ch[0], 3)
    return out


def _temporal_block(out, name, c, attentions, length):
    for k in range(attentions):
        a = f"{name}.attention_blocks.{k}"
        for p in ("to_q", "to_k", "to_v"):
            _linear(out, f"{a}.{p}", c, c, False)
        _linear(out, f"{a}.to_out.0", c, c)
        out[f"{a}.pos_encoder.pe"] = (1, length, c)
        _norm(out, f"{name}.norms.{k}", c)
    _linear(out, f"{name}.ff.net.0.proj", 8 * c, c)
    _linear(out, f"{name}.ff.net.2", c, 4 * c)
    _norm(out, f"{name}.ff_norm", c)


def motion_places(channels):
    """The twenty temporal transformers: (name, channels)."""
    down = [
        (f"down_blocks.{i}.motion_modules.{j}.temporal_transformer", c)
        for i, c in enumerate(channels)
        for j in range(2)
    ]
    return down + [
        (f"up_blocks.{i}.motion_modules.{j}.temporal_transformer", c)
        for i, c in enumerate(list(channels)[::-1])
        for j in range(3)
    ]


def mm_shapes(channels):
    """v3_sd15_mm.ckpt"""
    out = {}
    for name, c in motion_places(channels):
        _norm(out, f"{name}.norm", c)
        _linear(out, f"{name}.proj_in", c, c)
        _temporal_block(out, f"{name}.transformer_blocks.0", c, 2, 32)
        _linear(out, f"{name}.proj_out", c, c)
    return out


def merge_shapes(channels):
    """attention_processor_state_dict of a camera checkpoint"""
    out = {}
    for name, c in motion_places(channels):
        _linear(out, f"{name}.transformer_blocks.0.attention_blocks.0.processor.qkv_merge", c, c)
    return out


def lora_shapes(channels, divisor=2, text=768):
    """lora_state_dict of RealEstate10K_LoRA.ckpt"""
    ch, out = list(channels), {}
    places = [(f"down_blocks.{i}.attentions.{j}", ch[i]) for i in range(3) for j in range(2)] + [
        ("mid_block.attentions.0", ch[3])
    ]
    places += [(f"up_blocks.{i}.attentions.{j}", ch[3 - i]) for i in (1, 2, 3) for j in range(3)]
    for name, c in places:
        for attn, kv in (("attn1", c), ("attn2", text)):
            for p, i in (("to_q", c), ("to_k", kv), ("to_v", kv), ("to_out", c)):
                base = f"{name}.transformer_blocks.0.{attn}.processor.{p}_lora"
                out[f"{base}.down.weight"] = (c // divisor, i)
                out[f"{base}.up.weight"] = (c, c // divisor)
    return out


def encoder_shapes(channels, unshuffled=384):
    """camera_encoder_state_dict of a camera checkpoint"""
    ch, out = list(channels), {}
    _conv(out, "encoder_conv_in", ch[0], unshuffled, 3)
    for i, c in enumerate(ch):
        for j in range(2):
            b = f"encoder_down_conv_blocks.{i}.{j}"
            if j == 0 and i and ch[i - 1] != c:
                _conv(out, f"{b}.in_conv", c, ch[i - 1], 1)
            _conv(out, f"{b}.block1", c, c, 3)
            _conv(out, f"{b}.block2", c, c, 1)
            _temporal_block(out, f"encoder_down_attention_blocks.{i}.{j}", c, 1, 16)
    return out


ALL = {"unet": unet_shapes, "mm": mm_shapes, "lora": lora_shapes, "merge": merge_shapes, "encoder": encoder_shapes}
