#include "storage/engine/order_token.h"

#include <cstdint>
#include <type_traits>
#include <utility>
#include <variant>

#include "common/status/error_details.h"
#include "storage/record/byte_codec.h"

namespace diptych::storage {
namespace {

enum class Kind : uint8_t {
  kNone = 0,
  kBool = 1,
  kInteger = 2,
  kDouble = 3,
  kText = 4,
  kTimestamp = 5,
};

bool ReadValue(uint8_t kind, ByteReader& reader,
               std::optional<FilterOperand>& value) {
  switch (static_cast<Kind>(kind)) {
    case Kind::kNone:
      value.reset();
      return true;
    case Kind::kBool: {
      bool held = false;
      const bool read = reader.Bool(held);
      value = held;
      return read;
    }
    case Kind::kInteger: {
      int64_t held = 0;
      const bool read = reader.Integer(held);
      value = held;
      return read;
    }
    case Kind::kDouble: {
      double held = 0;
      const bool read = reader.Double(held);
      value = held;
      return read;
    }
    case Kind::kText: {
      std::string held;
      const bool read = reader.String(held);
      value.emplace(std::move(held));
      return read;
    }
    case Kind::kTimestamp: {
      Timestamp held;
      const bool read = reader.Integer(held.unix_microseconds);
      value = held;
      return read;
    }
  }
  return false;
}

}  // namespace

std::string EncodeOrderPosition(const OrderPosition& position) {
  ByteWriter writer;
  const auto kind = [&writer](Kind value) {
    writer.Integer(static_cast<uint8_t>(value));
  };
  if (!position.value.has_value()) {
    kind(Kind::kNone);
  } else if (const auto* flag = std::get_if<bool>(&*position.value)) {
    kind(Kind::kBool);
    writer.Integer(static_cast<uint8_t>(*flag));
  } else if (const auto* whole = std::get_if<int64_t>(&*position.value)) {
    kind(Kind::kInteger);
    writer.Integer(*whole);
  } else if (const auto* real = std::get_if<double>(&*position.value)) {
    kind(Kind::kDouble);
    writer.Double(*real);
  } else if (const auto* text = std::get_if<std::string>(&*position.value)) {
    kind(Kind::kText);
    writer.String(*text);
  } else {
    kind(Kind::kTimestamp);
    writer.Integer(std::get<Timestamp>(*position.value).unix_microseconds);
  }
  writer.String(position.id);
  return std::move(writer).Take();
}

absl::StatusOr<OrderPosition> DecodeOrderPosition(absl::string_view encoded) {
  OrderPosition position;
  ByteReader reader(encoded);
  uint8_t kind = 0;
  if (!reader.Integer(kind) || !ReadValue(kind, reader, position.value) ||
      !reader.String(position.id) || !reader.empty()) {
    return InvalidField("page_token",
                        "is not a token of a listing in this order; leave it "
                        "empty to begin anew");
  }
  return position;
}

}  // namespace diptych::storage
