"""A CLIP of transformers in miniature."""

import json

import torch

WORDS = ["<|startoftext|>", "<|endoftext|>", "a</w>", "ca", "cat</w>", "do", "dog</w>"]


def write_tiny_clip(folder, seed=0):
    """Make a random CLIP, 16 wide, that knows three words, in a folder."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    letters = [letter + end for letter in "acdgot" for end in ("", "</w>")]
    vocabulary = {word: index for index, word in enumerate([*WORDS, *(x for x in letters if x not in WORDS)])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\nc a\nca t</w>\nd o\ndo g</w>\n")
    CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = CLIPConfig(
        text_config={**sizes, "vocab_size": len(vocabulary), "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1},
        vision_config={**sizes, "image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    torch.manual_seed(seed)
    CLIPModel(config).save_pretrained(folder)
    return folder
