#include "storage/keyword/term_postings.h"

#include <algorithm>

namespace diptych::storage {
namespace {

// A block so empty is joined with a neighbour that is no fuller.
constexpr size_t kSparseBlock = TermPostings::kBlockPostings / 4;

void AppendInteger(uint64_t value, std::string& bytes) {
  while (value >= 0x80) {
    bytes.push_back(static_cast<char>(0x80 | (value & 0x7f)));
    value >>= 7;
  }
  bytes.push_back(static_cast<char>(value));
}

uint64_t ReadInteger(const char*& at) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
}

}  // namespace

// A posting is its distance from the one before, doubled, plus 1 if a frequency
// other than 1 follows.
void TermPostings::Append(const Posting& posting, Block& block) {
  if (block.count == 0) block.first = block.last = posting.slot;
  const bool several = posting.frequency != 1;
  AppendInteger(uint64_t{posting.slot - block.last} * 2 + several, block.bytes);
  if (several) AppendInteger(posting.frequency, block.bytes);
  block.last = posting.slot;
  ++block.count;
}

void TermPostings::Unpack(const Block& block, Unpacked& postings) {
  const char* at = block.bytes.data();
  Slot slot = block.first;
  for (uint32_t i = 0; i < block.count; ++i) {
    const uint64_t head = ReadInteger(at);
    slot += static_cast<Slot>(head >> 1);
    postings[i].slot = slot;
    postings[i].frequency =
        (head & 1) != 0 ? static_cast<uint32_t>(ReadInteger(at)) : 1;
  }
}

TermPostings::Block TermPostings::Pack(const Posting* begin,
                                       const Posting* end) {
  Block block;
  for (; begin != end; ++begin) Append(*begin, block);
  block.bytes.shrink_to_fit();
  return block;
}

size_t TermPostings::FindBlock(size_t from, Slot slot) const {
  return std::lower_bound(blocks_.begin() + static_cast<ptrdiff_t>(from),
                          blocks_.end(), slot,
                          [](const Block& block, Slot wanted) {
                            return block.last < wanted;
                          }) -
         blocks_.begin();
}

void TermPostings::Add(Slot slot, uint32_t frequency) {
  ++count_;
  frequency_max_ = std::max(frequency_max_, frequency);
  const size_t found = FindBlock(0, slot);
  if (found == blocks_.size()) {
    // The usual case: slots grow with every write.
    if (blocks_.empty() || blocks_.back().count == kBlockPostings) {
      if (!blocks_.empty()) blocks_.back().bytes.shrink_to_fit();
      blocks_.emplace_back();
    }
    Append({slot, frequency}, blocks_.back());
    return;
  }
  Unpacked unpacked;
  Unpack(blocks_[found], unpacked);
  std::vector<Posting> postings(unpacked.begin(),
                                unpacked.begin() + blocks_[found].count);
  postings.insert(std::upper_bound(postings.begin(), postings.end(), slot,
                                   [](Slot wanted, const Posting& posting) {
                                     return wanted < posting.slot;
                                   }),
                  {slot, frequency});
  const Posting* begin = postings.data();
  const Posting* end = begin + postings.size();
  if (postings.size() <= kBlockPostings) {
    blocks_[found] = Pack(begin, end);
    return;
  }
  const Posting* middle = begin + kBlockPostings / 2;
  blocks_[found] = Pack(middle, end);
  blocks_.insert(blocks_.begin() + static_cast<ptrdiff_t>(found),
                 Pack(begin, middle));
}

void TermPostings::Remove(Slot slot) {
  const size_t found = FindBlock(0, slot);
  if (found == blocks_.size()) return;
  Unpacked unpacked;
  Unpack(blocks_[found], unpacked);
  Posting* const begin = unpacked.data();
  Posting* const end = begin + blocks_[found].count;
  Posting* const posting = std::find_if(
      begin, end, [slot](const Posting& held) { return held.slot == slot; });
  if (posting == end) return;
  --count_;
  if (end - begin == 1) {
    blocks_.erase(blocks_.begin() + static_cast<ptrdiff_t>(found));
    return;
  }
  blocks_[found] = Pack(begin, std::move(posting + 1, end, posting));
  // Where old objects are replaced by new ones, blocks must not stay about with
  // a slot or two each.
  if (blocks_[found].count > kSparseBlock) return;
  if (found + 1 < blocks_.size() && blocks_[found + 1].count <= kSparseBlock) {
    MergeWithNext(found);
  } else if (found > 0 && blocks_[found - 1].count <= kSparseBlock) {
    MergeWithNext(found - 1);
  }
}

void TermPostings::MergeWithNext(size_t block) {
  Unpacked unpacked;
  Unpack(blocks_[block + 1], unpacked);
  for (uint32_t i = 0; i < blocks_[block + 1].count; ++i) {
    Append(unpacked[i], blocks_[block]);
  }
  blocks_.erase(blocks_.begin() + static_cast<ptrdiff_t>(block) + 1);
}

size_t TermPostings::memory_bytes() const {
  static const size_t kInline = std::string().capacity();
  size_t bytes = blocks_.capacity() * sizeof(Block);
  for (const Block& block : blocks_) {
    if (block.bytes.capacity() > kInline) bytes += block.bytes.capacity() + 1;
  }
  return bytes;
}

TermPostings::Cursor::Cursor(const TermPostings* postings)
    : postings_(postings) {
  Enter(0);
}

void TermPostings::Cursor::Enter(size_t block) {
  block_ = block;
  position_ = 0;
  if (!done()) Unpack(postings_->blocks_[block], unpacked_);
}

void TermPostings::Cursor::Next() {
  if (++position_ == postings_->blocks_[block_].count) Enter(block_ + 1);
}

void TermPostings::Cursor::SeekTo(Slot slot) {
  if (done()) return;
  if (postings_->blocks_[block_].last < slot) {
    Enter(postings_->FindBlock(block_ + 1, slot));
    if (done()) return;
  }
  const auto begin = unpacked_.begin();
  position_ = std::lower_bound(begin + static_cast<ptrdiff_t>(position_),
                               begin + postings_->blocks_[block_].count, slot,
                               [](const Posting& posting, Slot wanted) {
                                 return posting.slot < wanted;
                               }) -
              begin;
}

}  // namespace diptych::storage
