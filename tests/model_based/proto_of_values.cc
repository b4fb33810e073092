#include "tests/model_based/proto_of_values.h"

#include <string>
#include <variant>
#include <vector>

namespace diptych::storage {
namespace {

google::protobuf::Timestamp ProtoOf(Timestamp timestamp) {
  google::protobuf::Timestamp out;
  int64_t seconds = timestamp.unix_microseconds / 1'000'000;
  if (seconds * 1'000'000 > timestamp.unix_microseconds) --seconds;
  out.set_seconds(seconds);
  out.set_nanos(static_cast<int32_t>(
      (timestamp.unix_microseconds - seconds * 1'000'000) * 1000));
  return out;
}

v1::GeoPoint ProtoOf(GeoPoint point) {
  v1::GeoPoint out;
  out.set_latitude(point.latitude);
  out.set_longitude(point.longitude);
  return out;
}

struct ValueWriter {
  v1::Value out;

  void operator()(std::monostate) {
    out.set_null_value(google::protobuf::NULL_VALUE);
  }
  void operator()(bool value) { out.set_bool_value(value); }
  void operator()(int64_t value) { out.set_integer_value(value); }
  void operator()(double value) { out.set_double_value(value); }
  void operator()(const std::string& value) { out.set_text_value(value); }
  void operator()(Timestamp value) {
    *out.mutable_timestamp_value() = ProtoOf(value);
  }
  void operator()(GeoPoint value) {
    *out.mutable_geo_point_value() = ProtoOf(value);
  }
  void operator()(const ImageReference& value) {
    out.mutable_image_value()->set_uri(value.uri);
  }
  void operator()(const std::vector<bool>& values) {
    auto* list = out.mutable_bool_list();
    for (const bool value : values) list->add_values(value);
  }
  void operator()(const std::vector<int64_t>& values) {
    auto* list = out.mutable_integer_list();
    for (const int64_t value : values) list->add_values(value);
  }
  void operator()(const std::vector<double>& values) {
    auto* list = out.mutable_double_list();
    for (const double value : values) list->add_values(value);
  }
  void operator()(const std::vector<std::string>& values) {
    auto* list = out.mutable_text_list();
    for (const std::string& value : values) list->add_values(value);
  }
  void operator()(const std::vector<Timestamp>& values) {
    auto* list = out.mutable_timestamp_list();
    for (const Timestamp value : values) *list->add_values() = ProtoOf(value);
  }
};

v1::Value ProtoOf(const FilterOperand& operand) {
  ValueWriter writer;
  std::visit([&writer](const auto& value) { writer(value); }, operand);
  return writer.out;
}

// Whether a property is null decides nothing here, so one of the two holds.
v1::Filter Always(bool truth) {
  v1::Filter out;
  v1::FilterList& list = truth ? *out.mutable_or_() : *out.mutable_and_();
  for (const bool negated : {false, true}) {
    v1::IsNull& is_null = *list.add_filters()->mutable_is_null();
    is_null.set_property("any");
    is_null.set_negated(negated);
  }
  return out;
}

v1::ComparisonOperator ProtoOf(CompareOperator op) {
  switch (op) {
    case CompareOperator::kEqual:
      return v1::COMPARISON_OPERATOR_EQUAL;
    case CompareOperator::kNotEqual:
      return v1::COMPARISON_OPERATOR_NOT_EQUAL;
    case CompareOperator::kLess:
      return v1::COMPARISON_OPERATOR_LESS;
    case CompareOperator::kLessOrEqual:
      return v1::COMPARISON_OPERATOR_LESS_OR_EQUAL;
    case CompareOperator::kGreater:
      return v1::COMPARISON_OPERATOR_GREATER;
    case CompareOperator::kGreaterOrEqual:
      return v1::COMPARISON_OPERATOR_GREATER_OR_EQUAL;
  }
  return v1::COMPARISON_OPERATOR_UNSPECIFIED;
}

struct FilterWriter {
  v1::Filter operator()(const AndFilter& node) const {
    if (node.children.empty()) return Always(true);
    v1::Filter out;
    for (const Filter& child : node.children)
      *out.mutable_and_()->add_filters() = storage::ProtoOf(child);
    return out;
  }
  v1::Filter operator()(const OrFilter& node) const {
    if (node.children.empty()) return Always(false);
    v1::Filter out;
    for (const Filter& child : node.children)
      *out.mutable_or_()->add_filters() = storage::ProtoOf(child);
    return out;
  }
  v1::Filter operator()(const NotFilter& node) const {
    v1::Filter out;
    *out.mutable_not_() = storage::ProtoOf(node.child.front());
    return out;
  }
  v1::Filter operator()(const CompareFilter& node) const {
    v1::Filter out;
    out.mutable_comparison()->set_property(node.property);
    out.mutable_comparison()->set_operator_(ProtoOf(node.op));
    *out.mutable_comparison()->mutable_value() = ProtoOf(node.operand);
    return out;
  }
  v1::Filter operator()(const InFilter& node) const {
    if (node.operands.empty()) return Always(node.negated);
    v1::Filter out;
    out.mutable_in()->set_property(node.property);
    for (const FilterOperand& operand : node.operands)
      *out.mutable_in()->add_values() = ProtoOf(operand);
    out.mutable_in()->set_negated(node.negated);
    return out;
  }
  v1::Filter operator()(const ContainsFilter& node) const {
    v1::Filter out;
    out.mutable_contains()->set_property(node.property);
    *out.mutable_contains()->mutable_value() = ProtoOf(node.operand);
    out.mutable_contains()->set_negated(node.negated);
    return out;
  }
  v1::Filter operator()(const MatchesFilter& node) const {
    v1::Filter out;
    out.mutable_matches()->set_property(node.property);
    out.mutable_matches()->set_pattern(node.pattern);
    out.mutable_matches()->set_negated(node.negated);
    return out;
  }
  v1::Filter operator()(const IsNullFilter& node) const {
    v1::Filter out;
    out.mutable_is_null()->set_property(node.property);
    out.mutable_is_null()->set_negated(node.negated);
    return out;
  }
  v1::Filter operator()(const IdInFilter& node) const {
    if (node.ids.empty()) return Always(node.negated);
    v1::Filter out;
    for (const std::string& id : node.ids) out.mutable_id_in()->add_ids(id);
    out.mutable_id_in()->set_negated(node.negated);
    return out;
  }
  v1::Filter operator()(const GeoDistanceFilter& node) const {
    v1::Filter out;
    out.mutable_geo_distance()->set_property(node.property);
    *out.mutable_geo_distance()->mutable_center() = ProtoOf(node.center);
    out.mutable_geo_distance()->set_distance_meters_max(
        node.distance_meters_max);
    return out;
  }
};

}  // namespace

v1::Value ProtoOf(const PropertyValue& value) {
  ValueWriter writer;
  std::visit([&writer](const auto& kind) { writer(kind); }, value);
  return writer.out;
}

v1::Filter ProtoOf(const Filter& filter) {
  return std::visit(FilterWriter(), filter.node);
}

}  // namespace diptych::storage
