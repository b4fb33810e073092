// What a filter means, said a second time: straight from docs/filters.md and
// the comments of filter.proto, with no code of the service.
//
// Concurrency: pure functions.
#pragma once

#include <map>
#include <string>

#include "diptych/storage/v1/filter.pb.h"
#include "diptych/storage/v1/value.pb.h"

namespace diptych::storage {

bool FilterMatches(const v1::Filter& filter, const std::string& id,
                   const std::map<std::string, v1::Value>& properties);

}  // namespace diptych::storage
