#include "storage/filter/property_index.h"

#include <re2/re2.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/filter/pattern.h"
#include "storage/filter/property_index_tables.h"
#include "storage/filter/property_table.h"
#include "storage/filter/value_comparison.h"
#include "storage/filter/value_postings.h"

namespace diptych::storage {
namespace {

static_assert(kOrderedTextBytesMax == ValuePostings::kTextBytesMax);
static_assert(PropertyIndex::kIndexedTextBytesMax ==
              ValuePostings::kTextBytesMax);

// What has to look at many values comes last in a conjunction.
int CostOf(const Filter& filter) {
  const auto most = [](const std::vector<Filter>& children) {
    int cost = 0;
    for (const Filter& child : children) cost = std::max(cost, CostOf(child));
    return cost;
  };
  if (const auto* all = std::get_if<AndFilter>(&filter.node)) {
    return most(all->children);
  }
  if (const auto* any = std::get_if<OrFilter>(&filter.node)) {
    return most(any->children);
  }
  if (const auto* negation = std::get_if<NotFilter>(&filter.node)) {
    return most(negation->child);
  }
  if (std::holds_alternative<ContainsFilter>(filter.node) ||
      std::holds_alternative<MatchesFilter>(filter.node) ||
      std::holds_alternative<GeoDistanceFilter>(filter.node)) {
    return 2;
  }
  return std::holds_alternative<CompareFilter>(filter.node) ? 1 : 0;
}

}  // namespace

namespace {

// Walks a filter over tables that are locked. Where `within` is not null, an
// answer need only be right for its slots: what is outside costs nothing then.
class Evaluation {
 public:
  using PropertyReader = PropertyIndex::PropertyReader;
  using Found = absl::StatusOr<SlotSet>;

  Evaluation(const SlotSet& all, const SlotsById& slot_of_id,
             const absl::flat_hash_map<std::string, PropertyTable>& properties,
             const PropertyReader& reader)
      : all_(all),
        slot_of_id_(slot_of_id),
        properties_(properties),
        reader_(reader) {}

  Found Find(const Filter& filter, const SlotSet* within) const {
    return std::visit([&](const auto& node) { return FindNode(node, within); },
                      filter.node);
  }

 private:
  Found FindNode(const AndFilter& node, const SlotSet* within) const {
    std::vector<size_t> order(node.children.size());
    std::iota(order.begin(), order.end(), 0);
    std::vector<int> costs;
    for (const Filter& child : node.children) costs.push_back(CostOf(child));
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return costs[a] < costs[b]; });
    SlotSet found = within != nullptr ? *within : all_;
    for (const size_t child : order) {
      if (found.empty()) break;
      DIPTYCH_ASSIGN_OR_RETURN(const SlotSet matching,
                               Find(node.children[child], &found));
      found &= matching;
    }
    return found;
  }

  Found FindNode(const OrFilter& node, const SlotSet* within) const {
    SlotSet found;
    for (const Filter& child : node.children) {
      DIPTYCH_ASSIGN_OR_RETURN(const SlotSet matching, Find(child, within));
      found |= matching;
    }
    return found;
  }

  Found FindNode(const NotFilter& node, const SlotSet* within) const {
    if (node.child.size() != 1) {
      return absl::InvalidArgumentError("NOT needs exactly one filter");
    }
    DIPTYCH_ASSIGN_OR_RETURN(SlotSet matching,
                             Find(node.child.front(), within));
    return Complement(std::move(matching));
  }

  Found FindNode(const CompareFilter& node, const SlotSet* within) const {
    if (node.op == CompareOperator::kEqual ||
        node.op == CompareOperator::kNotEqual) {
      DIPTYCH_ASSIGN_OR_RETURN(
          SlotSet found, FindEqual(node.property, {node.operand}, within));
      return NegatedIf(node.op == CompareOperator::kNotEqual, std::move(found));
    }
    SlotSet found;
    const PropertyTable* table = TableOf(node.property);
    if (table == nullptr) return found;
    table->scalars.FindOrdered(node.op, node.operand, found);
    if (!std::holds_alternative<std::string>(node.operand)) return found;
    const auto holds = [&](const PropertyValue& value) {
      const std::partial_ordering order = CompareValue(value, node.operand);
      switch (node.op) {
        case CompareOperator::kLess:
          return order < 0;
        case CompareOperator::kLessOrEqual:
          return order <= 0;
        case CompareOperator::kGreater:
          return order > 0;
        default:
          return order >= 0;
      }
    };
    DIPTYCH_RETURN_IF_ERROR(
        Read(node.property, table->long_texts, within, holds, found));
    return found;
  }

  Found FindNode(const InFilter& node, const SlotSet* within) const {
    DIPTYCH_ASSIGN_OR_RETURN(SlotSet found,
                             FindEqual(node.property, node.operands, within));
    return NegatedIf(node.negated, std::move(found));
  }

  Found FindNode(const ContainsFilter& node, const SlotSet* within) const {
    SlotSet found;
    if (const PropertyTable* table = TableOf(node.property)) {
      const auto holds = [&](const PropertyValue& value) {
        return ValueContains(value, node.operand);
      };
      DIPTYCH_RETURN_IF_ERROR(
          FindElements(*table, node.property, node.operand, within, found));
      if (const auto* part = std::get_if<std::string>(&node.operand)) {
        table->scalars.FindTexts(
            [part](const std::string& text) {
              return text.find(*part) != std::string::npos;
            },
            found);
        DIPTYCH_RETURN_IF_ERROR(
            Read(node.property, table->long_texts, within, holds, found));
      }
    }
    return NegatedIf(node.negated, std::move(found));
  }

  Found FindNode(const MatchesFilter& node, const SlotSet* within) const {
    SlotSet found;
    DIPTYCH_ASSIGN_OR_RETURN(const std::unique_ptr<re2::RE2> pattern,
                             CompilePattern(node.pattern));
    if (const PropertyTable* table = TableOf(node.property)) {
      const auto matches = [&pattern](const std::string& text) {
        return re2::RE2::PartialMatch(text, *pattern);
      };
      table->scalars.FindTexts(matches, found);
      DIPTYCH_RETURN_IF_ERROR(Read(
          node.property, table->long_texts, within,
          [&matches](const PropertyValue& value) {
            const auto* text = std::get_if<std::string>(&value);
            return text != nullptr && matches(*text);
          },
          found));
    }
    return NegatedIf(node.negated, std::move(found));
  }

  Found FindNode(const IsNullFilter& node, const SlotSet*) const {
    const PropertyTable* table = TableOf(node.property);
    return NegatedIf(!node.negated,
                     table != nullptr ? table->present : SlotSet());
  }

  Found FindNode(const IdInFilter& node, const SlotSet*) const {
    SlotSet found;
    for (const std::string& id : node.ids) {
      if (const auto entry = slot_of_id_.find(id); entry != slot_of_id_.end()) {
        found.Add(entry->second);
      }
    }
    return NegatedIf(node.negated, std::move(found));
  }

  Found FindNode(const GeoDistanceFilter& node, const SlotSet* within) const {
    SlotSet found;
    const PropertyTable* table = TableOf(node.property);
    if (table == nullptr) return found;
    const auto offer = [&](Slot slot, const GeoPoint& point) {
      if (DistanceMeters(point, node.center) <= node.distance_meters_max) {
        found.Add(slot);
      }
    };
    if (within != nullptr && within->Count() < table->points.size()) {
      within->ForEach([&](Slot slot) {
        const auto entry = table->points.find(slot);
        if (entry != table->points.end()) offer(slot, entry->second);
      });
    } else {
      for (const auto& [slot, point] : table->points) offer(slot, point);
    }
    return found;
  }

  // Null: no object holds the property.
  const PropertyTable* TableOf(const std::string& property) const {
    const auto found = properties_.find(property);
    return found == properties_.end() ? nullptr : &found->second;
  }

  SlotSet Complement(const SlotSet& set) const {
    SlotSet rest = all_;
    rest -= set;
    return rest;
  }
  SlotSet NegatedIf(bool negated, SlotSet set) const {
    return negated ? Complement(set) : set;
  }

  // Adds those of `candidates` whose stored value holds.
  template <typename Holds>
  absl::Status Read(const std::string& property, SlotSet candidates,
                    const SlotSet* within, const Holds& holds,
                    SlotSet& found) const {
    if (within != nullptr) candidates &= *within;
    candidates -= found;
    for (const Slot slot : candidates.ToVector()) {
      DIPTYCH_ASSIGN_OR_RETURN(const Properties properties, reader_(slot));
      const auto value = properties.find(property);
      if (value != properties.end() && holds(value->second)) found.Add(slot);
    }
    return absl::OkStatus();
  }

  // Adds the slots of lists with an element equal to the operand.
  absl::Status FindElements(const PropertyTable& table,
                            const std::string& property,
                            const FilterOperand& operand, const SlotSet* within,
                            SlotSet& found) const {
    SlotSet candidates;
    table.elements.FindEqual(operand, candidates);
    return AddEqual(property, operand, std::move(candidates), within, found);
  }

  // Candidates for a long operand share its hash, no more.
  absl::Status AddEqual(const std::string& property,
                        const FilterOperand& operand, SlotSet candidates,
                        const SlotSet* within, SlotSet& found) const {
    const auto* text = std::get_if<std::string>(&operand);
    if (text == nullptr || text->size() <= ValuePostings::kTextBytesMax) {
      found |= candidates;
      return absl::OkStatus();
    }
    return Read(
        property, std::move(candidates), within,
        [&operand](const PropertyValue& value) {
          return ValueEquals(value, operand);
        },
        found);
  }

  Found FindEqual(const std::string& property,
                  const std::vector<FilterOperand>& operands,
                  const SlotSet* within) const {
    SlotSet found;
    const PropertyTable* table = TableOf(property);
    if (table == nullptr) return found;
    for (const FilterOperand& operand : operands) {
      SlotSet candidates;
      table->scalars.FindEqual(operand, candidates);
      table->elements.FindEqual(operand, candidates);
      DIPTYCH_RETURN_IF_ERROR(
          AddEqual(property, operand, std::move(candidates), within, found));
    }
    return found;
  }

  const SlotSet& all_;
  const SlotsById& slot_of_id_;
  const absl::flat_hash_map<std::string, PropertyTable>& properties_;
  const PropertyReader& reader_;
};

}  // namespace

PropertyIndex::PropertyIndex(PropertyReader reader)
    : reader_(std::move(reader)), tables_(std::make_unique<Tables>()) {}

PropertyIndex::~PropertyIndex() = default;

absl::Status PropertyIndex::Add(Slot slot, absl::string_view id,
                                const Properties& properties) {
  absl::MutexLock lock(&tables_->mutex);
  if (tables_->all.Contains(slot)) {
    return absl::AlreadyExistsError(
        absl::StrCat("the slot is indexed already: ", slot));
  }
  const auto [entry, added] =
      tables_->slot_of_id.try_emplace(std::string(id), slot);
  if (!added) {
    return absl::AlreadyExistsError(
        absl::StrCat("the id is indexed already: '", id, "'"));
  }
  tables_->id_of_slot[slot] = &entry->first;
  tables_->all.Add(slot);
  for (const auto& [name, value] : properties) {
    tables_->properties[name].Add(value, slot);
  }
  return absl::OkStatus();
}

absl::Status PropertyIndex::Remove(Slot slot, absl::string_view id,
                                   const Properties& properties) {
  absl::MutexLock lock(&tables_->mutex);
  const auto entry = tables_->slot_of_id.find(id);
  if (entry == tables_->slot_of_id.end() || entry->second != slot) {
    return absl::NotFoundError(absl::StrCat(
        "the slot is not indexed under this id: ", slot, ", '", id, "'"));
  }
  tables_->id_of_slot.erase(slot);
  tables_->slot_of_id.erase(entry);
  tables_->all.Remove(slot);
  for (const auto& [name, value] : properties) {
    const auto table = tables_->properties.find(name);
    if (table == tables_->properties.end()) continue;
    table->second.Remove(value, slot);
    if (table->second.present.empty()) tables_->properties.erase(table);
  }
  return absl::OkStatus();
}

absl::StatusOr<SlotSet> PropertyIndex::Evaluate(const Filter& filter) const {
  absl::ReaderMutexLock lock(&tables_->mutex);
  return Evaluation(tables_->all, tables_->slot_of_id, tables_->properties,
                    reader_)
      .Find(filter, nullptr);
}

bool PropertyIndex::Contains(Slot slot, absl::string_view id) const {
  absl::ReaderMutexLock lock(&tables_->mutex);
  const auto entry = tables_->slot_of_id.find(id);
  return entry != tables_->slot_of_id.end() && entry->second == slot;
}

bool PropertyIndex::IdBefore(Slot a, Slot b) const {
  absl::ReaderMutexLock lock(&tables_->mutex);
  const auto id_a = tables_->id_of_slot.find(a);
  const auto id_b = tables_->id_of_slot.find(b);
  const auto none = tables_->id_of_slot.end();
  if (id_a == none || id_b == none) return id_b != none;
  return *id_a->second < *id_b->second;
}

absl::StatusOr<std::vector<OrderedSlot>> PropertyIndex::List(
    const Filter* filter, absl::string_view after, size_t limit) const {
  absl::ReaderMutexLock lock(&tables_->mutex);
  SlotSet matching;
  if (filter != nullptr) {
    DIPTYCH_ASSIGN_OR_RETURN(matching,
                             Evaluation(tables_->all, tables_->slot_of_id,
                                        tables_->properties, reader_)
                                 .Find(*filter, nullptr));
  }
  return ListById({tables_->slot_of_id, tables_->id_of_slot},
                  filter == nullptr ? tables_->all : matching, after, limit);
}

absl::StatusOr<std::vector<OrderedSlot>> PropertyIndex::List(
    const Filter* filter, const std::string& property, bool descending,
    const std::optional<OrderPosition>& after, size_t limit) const {
  absl::ReaderMutexLock lock(&tables_->mutex);
  SlotSet matching = tables_->all;
  if (filter != nullptr) {
    DIPTYCH_ASSIGN_OR_RETURN(matching,
                             Evaluation(tables_->all, tables_->slot_of_id,
                                        tables_->properties, reader_)
                                 .Find(*filter, nullptr));
  }
  static const PropertyTable* const empty = new PropertyTable;
  const auto found = tables_->properties.find(property);
  const PropertyTable& table =
      found == tables_->properties.end() ? *empty : found->second;
  // Texts too long to be held are read, to the length that decides.
  TextSlots long_texts;
  SlotSet unheld = table.long_texts;
  unheld &= matching;
  for (const Slot slot : unheld.ToVector()) {
    DIPTYCH_ASSIGN_OR_RETURN(const Properties properties, reader_(slot));
    const auto value = properties.find(property);
    if (value == properties.end()) continue;
    if (const auto key = OrderValueOf(value->second); key.has_value()) {
      long_texts[std::get<std::string>(*key)].push_back(slot);
    }
  }
  return ListByValue({tables_->slot_of_id, tables_->id_of_slot}, table,
                     long_texts, matching, descending, after, limit);
}

SlotSet PropertyIndex::All() const {
  absl::ReaderMutexLock lock(&tables_->mutex);
  return tables_->all;
}

size_t PropertyIndex::size() const {
  absl::ReaderMutexLock lock(&tables_->mutex);
  return tables_->all.Count();
}

size_t PropertyIndex::memory_bytes() const {
  absl::ReaderMutexLock lock(&tables_->mutex);
  size_t bytes = tables_->all.memory_bytes();
  for (const auto& [id, slot] : tables_->slot_of_id) {
    bytes += id.capacity() + sizeof(id) + sizeof(slot) + sizeof(void*);
  }
  bytes += tables_->id_of_slot.capacity() * (sizeof(Slot) + sizeof(void*));
  for (const auto& [name, table] : tables_->properties) {
    bytes += name.capacity() + sizeof(table) + table.memory_bytes();
  }
  return bytes;
}

}  // namespace diptych::storage
