#include "inference/weights/pickle_machine.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"

namespace diptych::inference {
namespace {

absl::Status Malformed(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("is malformed: its pickle ", why));
}

absl::Status EndsEarly() { return Malformed("ends early"); }

// The name of a storage class's elements; "" when it is not known.
absl::string_view ElementsOfStorage(absl::string_view name) {
  static const auto* const types =
      new absl::flat_hash_map<absl::string_view, absl::string_view>({
          {"DoubleStorage", "F64"},
          {"FloatStorage", "F32"},
          {"HalfStorage", "F16"},
          {"BFloat16Storage", "BF16"},
          {"LongStorage", "I64"},
          {"IntStorage", "I32"},
          {"ShortStorage", "I16"},
          {"CharStorage", "I8"},
          {"ByteStorage", "U8"},
          {"BoolStorage", "BOOL"},
      });
  const auto it = types->find(name);
  return it == types->end() ? "" : it->second;
}

}  // namespace

absl::StatusOr<absl::string_view> PickleMachine::Bytes(uint64_t size) {
  if (size > rest_.size()) return EndsEarly();
  const absl::string_view bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

absl::StatusOr<uint64_t> PickleMachine::Unsigned(size_t size) {
  DIPTYCH_ASSIGN_OR_RETURN(const absl::string_view bytes, Bytes(size));
  uint64_t value = 0;
  for (size_t i = size; i > 0; --i) {
    value = value << 8 | static_cast<uint8_t>(bytes[i - 1]);
  }
  return value;
}

absl::StatusOr<absl::string_view> PickleMachine::Line() {
  const size_t end = rest_.find('\n');
  if (end == absl::string_view::npos) return EndsEarly();
  const absl::string_view line = rest_.substr(0, end);
  rest_.remove_prefix(end + 1);
  return line;
}

absl::Status PickleMachine::Push(PickleValue value) {
  if (stack_.size() == kPickleStackMax) {
    return Malformed(absl::StrCat("needs more than the allowed ",
                                  kPickleStackMax, " values at once"));
  }
  stack_.push_back(value);
  return absl::OkStatus();
}

absl::Status PickleMachine::PushObject(PickleKind kind, PickleObject object) {
  arena_.push_back(std::move(object));
  return Push({kind, static_cast<int64_t>(arena_.size() - 1)});
}

absl::Status PickleMachine::PushText(uint64_t size) {
  DIPTYCH_ASSIGN_OR_RETURN(const absl::string_view bytes, Bytes(size));
  PickleObject object;
  object.text = std::string(bytes);
  return PushObject(PickleKind::kText, std::move(object));
}

absl::StatusOr<PickleValue> PickleMachine::Top() const {
  const size_t bottom = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= bottom) return Malformed("takes what is not there");
  return stack_.back();
}

absl::StatusOr<PickleValue> PickleMachine::Pop() {
  DIPTYCH_ASSIGN_OR_RETURN(const PickleValue value, Top());
  stack_.pop_back();
  return value;
}

absl::StatusOr<std::vector<PickleValue>> PickleMachine::PopToMark() {
  if (marks_.empty()) return Malformed("takes a mark that is not there");
  const auto begin =
      stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleValue> values(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return values;
}

absl::Status PickleMachine::PushGlobal(absl::string_view module,
                                       absl::string_view name) {
  if (module == "collections" && name == "OrderedDict") {
    return Push({PickleKind::kMakesDictionary, 0});
  }
  if (module == "torch._utils" && name == "_rebuild_tensor_v2") {
    return Push({PickleKind::kMakesTensor, 0});
  }
  if (module == "torch._utils" && name == "_rebuild_parameter") {
    return Push({PickleKind::kMakesParameter, 0});
  }
  if (module == "torch" && !ElementsOfStorage(name).empty()) {
    PickleObject type;
    type.text = std::string(ElementsOfStorage(name));
    return PushObject(PickleKind::kStorageType, std::move(type));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "is refused: its pickle names ",
      absl::CEscape(absl::StrCat(module, ".", name).substr(0, 200)),
      ", but weights need collections.OrderedDict, "
      "torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter and "
      "torch's storages only; convert the file to safetensors where you trust "
      "it"));
}

absl::Status PickleMachine::PushSequence(std::vector<PickleValue> elements) {
  PickleObject object;
  object.elements = std::move(elements);
  return PushObject(PickleKind::kSequence, std::move(object));
}

absl::Status PickleMachine::PopSequence(size_t size) {
  std::vector<PickleValue> elements(size);
  for (size_t i = size; i > 0; --i) {
    DIPTYCH_ASSIGN_OR_RETURN(elements[i - 1], Pop());
  }
  return PushSequence(std::move(elements));
}

absl::Status PickleMachine::AddItems(const std::vector<PickleValue>& values) {
  DIPTYCH_ASSIGN_OR_RETURN(const PickleValue dictionary, Top());
  if (dictionary.kind != PickleKind::kDictionary || values.size() % 2 != 0) {
    return Malformed("fills what is no dictionary");
  }
  auto& items = arena_[static_cast<size_t>(dictionary.number)].items;
  for (size_t i = 0; i < values.size(); i += 2) {
    items.emplace_back(values[i], values[i + 1]);
  }
  return absl::OkStatus();
}

// From ("storage", type, key, device, elements).
absl::Status PickleMachine::MakeStorage() {
  DIPTYCH_ASSIGN_OR_RETURN(const PickleValue given, Pop());
  if (given.kind != PickleKind::kSequence || At(given).elements.size() < 5) {
    return Malformed("refers to something that is no storage");
  }
  const std::vector<PickleValue>& parts = At(given).elements;
  if (parts[0].kind != PickleKind::kText || At(parts[0]).text != "storage" ||
      parts[1].kind != PickleKind::kStorageType ||
      parts[2].kind != PickleKind::kText ||
      parts[4].kind != PickleKind::kNumber) {
    return Malformed("refers to something that is no storage");
  }
  PickleObject storage;
  storage.tensor.type = At(parts[1]).text;
  storage.tensor.storage = At(parts[2]).text;
  storage.tensor.storage_elements = parts[4].number;
  return PushObject(PickleKind::kStorage, std::move(storage));
}

bool PickleMachine::Numbers(PickleValue value,
                            std::vector<int64_t>& numbers) const {
  if (value.kind != PickleKind::kSequence) return false;
  for (const PickleValue element : At(value).elements) {
    if (element.kind != PickleKind::kNumber) return false;
    numbers.push_back(element.number);
  }
  return true;
}

// From (storage, offset, shape, strides, ...).
absl::Status PickleMachine::MakeTensor(
    const std::vector<PickleValue>& arguments) {
  PickleObject object;
  if (arguments.size() < 4 || arguments[0].kind != PickleKind::kStorage ||
      arguments[1].kind != PickleKind::kNumber) {
    return Malformed("makes a tensor of something else");
  }
  object.tensor = At(arguments[0]).tensor;
  object.tensor.offset = arguments[1].number;
  if (!Numbers(arguments[2], object.tensor.shape) ||
      !Numbers(arguments[3], object.tensor.strides) ||
      object.tensor.shape.size() != object.tensor.strides.size()) {
    return Malformed("makes a tensor without a shape");
  }
  return PushObject(PickleKind::kTensor, std::move(object));
}

absl::Status PickleMachine::Call() {
  DIPTYCH_ASSIGN_OR_RETURN(const PickleValue arguments, Pop());
  DIPTYCH_ASSIGN_OR_RETURN(const PickleValue function, Pop());
  if (arguments.kind != PickleKind::kSequence) {
    return Malformed("calls with something that is no list of arguments");
  }
  const std::vector<PickleValue>& given = At(arguments).elements;
  if (function.kind == PickleKind::kMakesDictionary && given.empty()) {
    return PushObject(PickleKind::kDictionary, PickleObject());
  }
  if (function.kind == PickleKind::kMakesTensor) return MakeTensor(given);
  if (function.kind == PickleKind::kMakesParameter && !given.empty() &&
      given[0].kind == PickleKind::kTensor) {
    return Push(given[0]);
  }
  return Malformed("calls what cannot be called so");
}

absl::Status PickleMachine::Remember(uint64_t place) {
  DIPTYCH_ASSIGN_OR_RETURN(const PickleValue value, Top());
  if (memo_.size() == kPickleMemoMax) {
    return Malformed(absl::StrCat("remembers more than the allowed ",
                                  kPickleMemoMax, " values"));
  }
  memo_[place] = value;
  return absl::OkStatus();
}

absl::StatusOr<PickleValue> PickleMachine::Run() {
  while (!stopped_) {
    DIPTYCH_ASSIGN_OR_RETURN(const uint64_t opcode, Unsigned(1));
    DIPTYCH_RETURN_IF_ERROR(Step(static_cast<uint8_t>(opcode)));
  }
  return Pop();
}

absl::Status PickleMachine::Step(uint8_t opcode) {
  switch (opcode) {
    case 0x80: {  // PROTO
      DIPTYCH_ASSIGN_OR_RETURN(const uint64_t version, Unsigned(1));
      if (version >= 2 && version <= 5) return absl::OkStatus();
      return Malformed(
          absl::StrCat("is of protocol ", version, "; 2 to 5 are read"));
    }
    case 0x95:  // FRAME
      return Unsigned(8).status();
    case '.':  // STOP
      stopped_ = true;
      return absl::OkStatus();
    case 'N':  // NONE
      return Push({PickleKind::kNone, 0});
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      return Push({PickleKind::kBool, opcode == 0x88 ? 1 : 0});
    case 'K':    // BININT1
    case 'M': {  // BININT2
      DIPTYCH_ASSIGN_OR_RETURN(const uint64_t value,
                               Unsigned(opcode == 'K' ? 1 : 2));
      return Push({PickleKind::kNumber, static_cast<int64_t>(value)});
    }
    case 'J': {  // BININT
      DIPTYCH_ASSIGN_OR_RETURN(const uint64_t value, Unsigned(4));
      return Push({PickleKind::kNumber, static_cast<int32_t>(value)});
    }
    case 0x8a: {  // LONG1: two's complement
      DIPTYCH_ASSIGN_OR_RETURN(const uint64_t size, Unsigned(1));
      if (size > 8) return Malformed("has a number of more than 64 bits");
      DIPTYCH_ASSIGN_OR_RETURN(uint64_t value, Unsigned(size));
      const uint64_t unused = 64 - 8 * size;
      const bool negative = size > 0 && (value >> (8 * size - 1)) != 0;
      if (negative && unused > 0) value |= ~uint64_t{0} << (64 - unused);
      return Push({PickleKind::kNumber, static_cast<int64_t>(value)});
    }
    case 'G':  // BINFLOAT: no part of a tensor
      DIPTYCH_RETURN_IF_ERROR(Unsigned(8).status());
      return Push({PickleKind::kNone, 0});
    case 'X':     // BINUNICODE
    case 0x8c: {  // SHORT_BINUNICODE
      DIPTYCH_ASSIGN_OR_RETURN(const uint64_t size,
                               Unsigned(opcode == 'X' ? 4 : 1));
      return PushText(size);
    }
    case 'c': {  // GLOBAL
      DIPTYCH_ASSIGN_OR_RETURN(const absl::string_view module, Line());
      DIPTYCH_ASSIGN_OR_RETURN(const absl::string_view name, Line());
      return PushGlobal(module, name);
    }
    case 0x93: {  // STACK_GLOBAL
      DIPTYCH_ASSIGN_OR_RETURN(const PickleValue name, Pop());
      DIPTYCH_ASSIGN_OR_RETURN(const PickleValue module, Pop());
      if (name.kind != PickleKind::kText || module.kind != PickleKind::kText) {
        return Malformed("names something by no text");
      }
      return PushGlobal(At(module).text, At(name).text);
    }
    case 'Q':  // BINPERSID
      return MakeStorage();
    case 'R':  // REDUCE
      return Call();
    default:
      return StepOnContainers(opcode);
  }
}

absl::Status PickleMachine::StepOnContainers(uint8_t opcode) {
  switch (opcode) {
    case '(':  // MARK
      if (marks_.size() == kPickleStackMax) {
        return Malformed("needs too many marks at once");
      }
      marks_.push_back(stack_.size());
      return absl::OkStatus();
    case ')':  // EMPTY_TUPLE
    case ']':  // EMPTY_LIST
      return PushObject(PickleKind::kSequence, PickleObject());
    case '}':  // EMPTY_DICT
      return PushObject(PickleKind::kDictionary, PickleObject());
    case 0x85:  // TUPLE1
    case 0x86:  // TUPLE2
    case 0x87:  // TUPLE3
      return PopSequence(opcode - 0x84u);
    case 't': {  // TUPLE
      DIPTYCH_ASSIGN_OR_RETURN(std::vector<PickleValue> values, PopToMark());
      return PushSequence(std::move(values));
    }
    case 'a':    // APPEND
    case 'e': {  // APPENDS
      std::vector<PickleValue> values(1);
      if (opcode == 'e') {
        DIPTYCH_ASSIGN_OR_RETURN(values, PopToMark());
      } else {
        DIPTYCH_ASSIGN_OR_RETURN(values[0], Pop());
      }
      DIPTYCH_ASSIGN_OR_RETURN(const PickleValue list, Top());
      if (list.kind != PickleKind::kSequence) {
        return Malformed("appends to what is no list");
      }
      auto& elements = arena_[static_cast<size_t>(list.number)].elements;
      elements.insert(elements.end(), values.begin(), values.end());
      return absl::OkStatus();
    }
    case 's': {  // SETITEM
      std::vector<PickleValue> values(2);
      DIPTYCH_ASSIGN_OR_RETURN(values[1], Pop());
      DIPTYCH_ASSIGN_OR_RETURN(values[0], Pop());
      return AddItems(values);
    }
    case 'u': {  // SETITEMS
      DIPTYCH_ASSIGN_OR_RETURN(const std::vector<PickleValue> values,
                               PopToMark());
      return AddItems(values);
    }
    case 'b': {  // BUILD: attributes, of which a dictionary's say nothing
      DIPTYCH_RETURN_IF_ERROR(Pop().status());
      DIPTYCH_ASSIGN_OR_RETURN(const PickleValue built, Top());
      return built.kind == PickleKind::kDictionary
                 ? absl::OkStatus()
                 : Malformed("sets attributes of what is no dictionary");
    }
    default:
      return StepOnMemo(opcode);
  }
}

absl::Status PickleMachine::StepOnMemo(uint8_t opcode) {
  switch (opcode) {
    case 'q':    // BINPUT
    case 'r': {  // LONG_BINPUT
      DIPTYCH_ASSIGN_OR_RETURN(const uint64_t place,
                               Unsigned(opcode == 'q' ? 1 : 4));
      return Remember(place);
    }
    case 0x94:  // MEMOIZE
      return Remember(memo_.size());
    case 'h':    // BINGET
    case 'j': {  // LONG_BINGET
      DIPTYCH_ASSIGN_OR_RETURN(const uint64_t place,
                               Unsigned(opcode == 'h' ? 1 : 4));
      const auto it = memo_.find(place);
      if (it == memo_.end()) return Malformed("recalls what it never kept");
      return Push(it->second);
    }
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "is refused: its pickle has opcode 0x", absl::Hex(opcode),
          ", which a dictionary of tensors does not need; convert the file to "
          "safetensors where you trust it"));
  }
}

}  // namespace diptych::inference
