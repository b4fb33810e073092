// What a property index holds, for its own sources.
#pragma once

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "storage/filter/property_index.h"
#include "storage/filter/property_order.h"
#include "storage/filter/property_table.h"
#include "storage/index/slot_set.h"

namespace diptych::storage {

class PropertyIndex::Tables {
 public:
  absl::Mutex mutex;
  SlotSet all ABSL_GUARDED_BY(mutex);
  SlotsById slot_of_id ABSL_GUARDED_BY(mutex);
  // The keys of slot_of_id.
  absl::flat_hash_map<Slot, const std::string*> id_of_slot
      ABSL_GUARDED_BY(mutex);
  absl::flat_hash_map<std::string, PropertyTable> properties
      ABSL_GUARDED_BY(mutex);
};

}  // namespace diptych::storage
