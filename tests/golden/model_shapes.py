"""Sizes of published models, and of small ones."""

SMALL_TEXT = dict(hidden=128, inner=512, layers=2, heads=4, context=32, vocabulary=826)
SMALL_IMAGE = dict(hidden=128, inner=512, layers=3, heads=4, size=48, patch=8)


def tower(hidden, inner, layers, heads, **more):
    return dict(hidden=hidden, inner=inner, layers=layers, heads=heads, **more)


CLIP_TEXT = dict(context=77, vocabulary=49408)
BERT_TEXT = dict(context=128, positions=512, vocabulary=30522)
CLIP_SHAPES = {
    "small": dict(text=SMALL_TEXT, image=SMALL_IMAGE, projection=256),
    "base32": dict(
        text=tower(512, 2048, 12, 8, **CLIP_TEXT),
        image=tower(768, 3072, 12, 12, size=224, patch=32),
        projection=512,
    ),
    # wkcn/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M
    "tiny16": dict(
        text=tower(256, 1024, 3, 4, **CLIP_TEXT),
        image=tower(256, 1024, 10, 4, size=224, patch=16),
        projection=512,
    ),
    "large14-336": dict(
        text=tower(768, 3072, 12, 12, **CLIP_TEXT),
        image=tower(1024, 4096, 24, 16, size=336, patch=14),
        projection=768,
    ),
    "huge14": dict(
        text=tower(1024, 4096, 24, 16, **CLIP_TEXT),
        image=tower(1280, 5120, 32, 16, size=224, patch=14),
        projection=1024,
    ),
    "bigg14": dict(
        text=tower(1280, 5120, 32, 20, **CLIP_TEXT),
        image=tower(1664, 8192, 48, 16, size=224, patch=14),
        projection=1280,
    ),
}
CHINESE_SHAPES = {
    "small": dict(text=dict(SMALL_TEXT, positions=64), image=SMALL_IMAGE, projection=256),
    "base16": dict(
        text=tower(768, 3072, 12, 12, context=52, positions=512, vocabulary=21128),
        image=tower(768, 3072, 12, 12, size=224, patch=16),
        projection=512,
    ),
}
METACLIP_SHAPES = {
    "small": CLIP_SHAPES["small"],
    # facebook/metaclip-2-worldwide-b32-384
    "base32-384": dict(
        text=tower(512, 2048, 12, 8, context=77, vocabulary=901629),
        image=tower(768, 3072, 12, 12, size=384, patch=32),
        projection=512,
    ),
}
SIGLIP_SHAPES = {
    "small": dict(text=SMALL_TEXT, image=SMALL_IMAGE, projection=None),
    "base16": dict(
        text=tower(768, 3072, 12, 12, context=64, vocabulary=32000),
        image=tower(768, 3072, 12, 12, size=224, patch=16),
        projection=None,
    ),
    # google/siglip2-so400m-patch14-384
    "so400m14-384": dict(
        text=tower(1152, 4304, 27, 16, context=64, vocabulary=256000),
        image=tower(1152, 4304, 27, 16, size=384, patch=14),
        projection=None,
    ),
}
BERT_SHAPES = {
    "small": dict(text=dict(SMALL_TEXT, positions=64)),
    # sentence-transformers/all-MiniLM-L6-v2
    "minilm": dict(text=tower(384, 1536, 6, 12, context=256, positions=512, vocabulary=30522)),
    "base": dict(text=tower(768, 3072, 12, 12, **BERT_TEXT)),
}
ROBERTA_SHAPES = {
    "small": dict(text=dict(SMALL_TEXT, positions=64)),
    "base": dict(text=tower(768, 3072, 12, 12, context=128, positions=514, vocabulary=250002)),
}
PAIR_SHAPES = {
    "small": dict(text=dict(SMALL_TEXT, positions=64), image=SMALL_IMAGE, projection=256),
    # clip-ViT-B-32 and clip-ViT-B-32-multilingual-v1
    "base32": dict(
        text=tower(768, 3072, 6, 12, context=128, positions=512, vocabulary=119547),
        image=tower(768, 3072, 12, 12, size=224, patch=32),
        projection=512,
    ),
}
OPEN_XLM_SHAPES = {
    "small": dict(
        text=tower(768, 3072, 2, 12, context=77, positions=514, vocabulary=1000), image=SMALL_IMAGE, projection=512
    ),
    # laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k
    "base32": dict(
        text=tower(768, 3072, 12, 12, context=77, positions=514, vocabulary=250002),
        image=tower(768, 3072, 12, 12, size=224, patch=32),
        projection=512,
    ),
}
