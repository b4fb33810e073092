// Values and filters, as the generator draws them, in the words of the API.
// Written for the tests alone, so that a fault of the service's own conversion
// shows.
//
// Concurrency: pure functions.
#pragma once

#include "diptych/storage/v1/filter.pb.h"
#include "diptych/storage/v1/value.pb.h"
#include "storage/types/filter.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

// An image becomes one of its URI alone.
v1::Value ProtoOf(const PropertyValue& value);

// Lists without members, which the tree of the API has not, become filters of
// the same meaning.
v1::Filter ProtoOf(const Filter& filter);

}  // namespace diptych::storage
