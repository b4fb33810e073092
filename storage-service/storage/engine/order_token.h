// The place of an object in an order, as the position of a page token.
//
// Operation: the kind of the value, the value (a text by its first
// kOrderedTextBytesMax bytes), the id. It holds no state of the server.
// Concurrency: pure functions.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/filter/property_order.h"

namespace diptych::storage {

std::string EncodeOrderPosition(const OrderPosition& position);

// INVALID_ARGUMENT on the field "page_token": not made by the function above.
absl::StatusOr<OrderPosition> DecodeOrderPosition(absl::string_view encoded);

}  // namespace diptych::storage
