// What a keyword index holds, for its own sources.
#pragma once

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "storage/keyword/keyword_index.h"
#include "storage/keyword/keyword_property.h"

namespace diptych::storage {

class KeywordIndex::Tables {
 public:
  absl::Mutex mutex;
  absl::flat_hash_map<std::string, KeywordProperty> properties
      ABSL_GUARDED_BY(mutex);
};

}  // namespace diptych::storage
