#include "storage/filter/filter_validation.h"

#include <cmath>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "storage/filter/excerpt.h"
#include "storage/filter/pattern.h"

namespace diptych::storage {
namespace {

class Validation {
 public:
  explicit Validation(const Limits& limits) : limits_(limits) {}

  void Check(const Filter& filter, const std::string& path, size_t depth) {
    if (depth > limits_.filter_depth_max) {
      if (!too_deep_) {
        violations_.Add(
            path, absl::StrCat("a filter is at most ", limits_.filter_depth_max,
                               " levels deep; flatten it"));
      }
      too_deep_ = true;
      return;
    }
    if (!Count(1, path)) return;
    std::visit([&](const auto& node) { CheckNode(node, path, depth); },
               filter.node);
  }

  absl::Status ToStatus() const { return violations_.ToStatus(); }

 private:
  // False once there are too many.
  bool Count(size_t nodes, const std::string& path) {
    if (nodes_ > limits_.filter_nodes_max) return false;
    nodes_ += nodes;
    if (nodes_ <= limits_.filter_nodes_max) return true;
    violations_.Add(
        path, absl::StrCat("a filter has at most ", limits_.filter_nodes_max,
                           " nodes and list members; split the "
                           "query"));
    return false;
  }

  void CheckChildren(const std::vector<Filter>& children,
                     const std::string& path, size_t depth) {
    for (size_t i = 0; i < children.size(); ++i) {
      Check(children[i], absl::StrCat(path, ".filters[", i, "]"), depth + 1);
    }
  }

  void CheckProperty(const std::string& property, const std::string& path) {
    if (property.empty() || property.size() > Limits::kPropertyNameBytesMax ||
        property[0] == '#' || property[0] == '$') {
      violations_.Add(
          absl::StrCat(path, ".property"),
          absl::StrCat("a property's name has 1 to ",
                       Limits::kPropertyNameBytesMax,
                       " bytes and does not start with '#' or '$': '",
                       Excerpt(property), "'"));
    }
  }

  void CheckOperand(const FilterOperand& operand, const std::string& path) {
    const double* number = std::get_if<double>(&operand);
    if (number != nullptr && std::isnan(*number)) {
      violations_.Add(path, "is NaN, which equals nothing; give a number");
    }
  }

  void CheckNode(const AndFilter& node, const std::string& path, size_t depth) {
    CheckChildren(node.children, path + ".and", depth);
  }
  void CheckNode(const OrFilter& node, const std::string& path, size_t depth) {
    CheckChildren(node.children, path + ".or", depth);
  }
  void CheckNode(const NotFilter& node, const std::string& path, size_t depth) {
    if (node.child.size() != 1) {
      violations_.Add(path + ".not", absl::StrCat("needs exactly one filter, "
                                                  "not ",
                                                  node.child.size()));
      return;
    }
    Check(node.child.front(), path + ".not", depth + 1);
  }
  void CheckNode(const CompareFilter& node, const std::string& path, size_t) {
    const std::string here = path + ".comparison";
    CheckProperty(node.property, here);
    CheckOperand(node.operand, here + ".value");
    if (std::holds_alternative<bool>(node.operand) &&
        node.op != CompareOperator::kEqual &&
        node.op != CompareOperator::kNotEqual) {
      violations_.Add(here + ".value",
                      "a bool can be compared with == and != only");
    }
  }
  void CheckNode(const InFilter& node, const std::string& path, size_t) {
    const std::string here = path + ".in";
    CheckProperty(node.property, here);
    if (!Count(node.operands.size(), here)) return;
    for (size_t i = 0; i < node.operands.size(); ++i) {
      CheckOperand(node.operands[i], absl::StrCat(here, ".values[", i, "]"));
    }
  }
  void CheckNode(const ContainsFilter& node, const std::string& path, size_t) {
    CheckProperty(node.property, path + ".contains");
    CheckOperand(node.operand, path + ".contains.value");
  }
  void CheckNode(const MatchesFilter& node, const std::string& path, size_t) {
    CheckProperty(node.property, path + ".matches");
    if (const auto compiled = CompilePattern(node.pattern); !compiled.ok()) {
      violations_.Add(path + ".matches.pattern",
                      std::string(compiled.status().message()));
    }
  }
  void CheckNode(const IsNullFilter& node, const std::string& path, size_t) {
    CheckProperty(node.property, path + ".is_null");
  }
  void CheckNode(const IdInFilter& node, const std::string& path, size_t) {
    const std::string here = path + ".id_in";
    if (!Count(node.ids.size(), here)) return;
    for (size_t i = 0; i < node.ids.size(); ++i) {
      const size_t size = node.ids[i].size();
      if (size < 1 || size > Limits::kObjectIdBytesMax) {
        violations_.Add(
            absl::StrCat(here, ".ids[", i, "]"),
            absl::StrCat("an id has 1 to ", Limits::kObjectIdBytesMax,
                         " bytes, not ", size));
      }
    }
  }
  void CheckNode(const GeoDistanceFilter& node, const std::string& path,
                 size_t) {
    const std::string here = path + ".geo_distance";
    CheckProperty(node.property, here);
    // Written so that NaN fails.
    if (!(std::abs(node.center.latitude) <= 90 &&
          std::abs(node.center.longitude) <= 180)) {
      violations_.Add(
          here + ".center",
          absl::StrCat("latitude is -90 to 90, longitude -180 to "
                       "180, in degrees: ",
                       node.center.latitude, ", ", node.center.longitude));
    }
    if (!(node.distance_meters_max >= 0)) {
      violations_.Add(
          here + ".distance_meters_max",
          absl::StrCat("is 0 or more, not ", node.distance_meters_max));
    }
  }

  const Limits& limits_;
  FieldViolations violations_;
  size_t nodes_ = 0;
  bool too_deep_ = false;
};

}  // namespace

absl::Status ValidateFilter(const Filter& filter, const Limits& limits,
                            absl::string_view path) {
  Validation validation(limits);
  validation.Check(filter, std::string(path), 1);
  return validation.ToStatus();
}

}  // namespace diptych::storage
