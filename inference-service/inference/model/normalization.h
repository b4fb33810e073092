// Which vectors are scaled to length 1.
#pragma once

namespace diptych::inference {

enum class Normalization {
  // All of them.
  kAll,
  // Those that Weaviate's container multi2vec-clip scales
  // (https://github.com/weaviate/multi2vec-clip-inference, clip.py): it leaves
  // SigLIP's as they are, and sentence-transformers' unless the directory's own
  // chain of modules ends in a Normalize.
  kAsWeaviate,
};

}  // namespace diptych::inference
