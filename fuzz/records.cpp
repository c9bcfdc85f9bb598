// SPDX-License-Identifier: Apache-2.0
//
// One class reads records, and knows what compact arguments refer to. The writer proposes a compact record, has it
// read, and takes the exact one unless that gave the op back: so what compact forms can say is decided in one place.
#include "fuzz/records.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>

#include "model/reference_model.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

constexpr std::uint8_t flag_exact = 0xf0;   // all bits: one in sixteen of random records
constexpr std::uint8_t flag_window = 0x03;  // all bits: one in four
constexpr std::uint8_t flag_limit = 0x04;

/// What a record can be: an op, by Op::index(), or one of these.
constexpr std::uint8_t kind_block = op_kind_count;
constexpr std::uint8_t kind_busy = op_kind_count + 1;

template <class T>
constexpr std::uint8_t kind_of = static_cast<std::uint8_t>(Op(T{}).index());

constexpr std::array<std::uint8_t, 32> kinds = [] {
  constexpr struct {
    std::uint8_t kind;
    int times;
  } runs[] = {{kind_of<Alloc>, 9},  {kind_of<AllocAt>, 3},      {kind_of<Congruent>, 1},
              {kind_of<Free>, 9},   {kind_of<FreeLazily>, 2},   {kind_of<OnExhaustion>, 1},
              {kind_of<FreeAt>, 1}, {kind_of<FreeLazilyAt>, 1}, {kind_of<Find>, 1},
              {kind_of<Purge>, 1},  {kind_of<FailMetadata>, 1}, {kind_block, 1},
              {kind_busy, 1}};
  std::array<std::uint8_t, 32> table{};
  auto* next = table.begin();
  for (const auto& run : runs) next = std::fill_n(next, run.times, run.kind);
  return table;
}();

struct Record {
  std::uint8_t code = 0;  ///< the byte `kind`
  std::uint8_t flags = 0;
  std::uint32_t label = 0;
  std::array<std::uint64_t, 4> args{};

  [[nodiscard]] std::uint8_t kind() const { return kinds[code % kinds.size()]; }
  [[nodiscard]] bool exact() const { return (flags & flag_exact) == flag_exact; }
};

constexpr std::uint8_t code_of(std::uint8_t kind) {
  return static_cast<std::uint8_t>(std::ranges::find(kinds, kind) - kinds.begin());
}

Record load(std::span<const std::uint8_t, record_bytes> bytes);
void store(std::vector<std::uint8_t>& bytes, const Record& record);

Space space_of(const Record& record);
Record compact_of(const Space& space);
Record exact_of(const Space& space);

constexpr Space ordinary_space{.range = {0x1000, 0x41000}, .granule = 0x1000, .lazy_limit = std::nullopt, .busy = {}};

/// The highest address on a granule.
Address top_of(Size granule) { return vmap::align_down(vmap::address_max, granule); }

/// How arguments in compact form are meant in a space.
struct Scale {
  static constexpr std::uint64_t lengths = 16;
  static constexpr std::uint64_t gaps = 8;
  static constexpr std::uint64_t countdowns = 8;

  Range range;
  Size granule = 1;

  [[nodiscard]] std::uint64_t granules() const { return range.size() / granule; }
  [[nodiscard]] Address place(std::uint64_t n) const {
    return range.begin + (n <= granules() ? n : n % (granules() + 1)) * granule;
  }
  [[nodiscard]] Size length(std::uint64_t n) const { return (1 + n % lengths) * granule; }
  [[nodiscard]] Range window(std::uint64_t c, std::uint64_t d) const {
    return {std::min(place(c), place(d)), std::max(place(c), place(d))};
  }
  /// Where `length` granules do not fit, as many as do.
  [[nodiscard]] Range placement(std::uint64_t first, std::uint64_t n) const {
    const Address begin = range.begin + first % granules() * granule;
    return {begin, begin + std::min(range.end - begin, length(n))};
  }
  [[nodiscard]] Size align(std::uint64_t n) const {
    if (n % 16 < 8) return 1;
    const auto shift = static_cast<int>(n % 16) - 8;
    return std::countl_zero(granule) > shift ? granule << shift : Size{1} << 63;
  }

  // The other way; what has no compact form gives a number that stands for something else.
  [[nodiscard]] std::uint64_t number_of_place(Address address) const { return (address - range.begin) / granule; }
  [[nodiscard]] std::uint64_t number_of_length(Size size) const { return size / granule - 1; }
  [[nodiscard]] std::uint64_t number_of_align(Size align) const {
    return align < granule ? 0 : 8 + static_cast<std::uint64_t>(std::bit_width(align) - std::bit_width(granule));
  }
};

// ---- Reading

class Reader {
 public:
  explicit Reader(const Space& space) : model_(space), scale_{space.range, space.granule} { areas_.reserve(64); }

  /// What a record of a busy range, an op, or a block behind `congruent` says, if it says anything.
  [[nodiscard]] std::optional<Range> busy(const Record& record) const;
  [[nodiscard]] std::optional<Op> op(const Record& record) const;
  [[nodiscard]] vmap::Block block(const Record& record, const Congruent& congruent) const;

  // Takes note of what was read.
  void read(Range busy) { model_.occupy(busy, std::nullopt); }
  void read(const Op& op);
  void read_block(const Congruent& congruent) {
    areas_.push_back({congruent.label.id, static_cast<std::uint32_t>(congruent.blocks.size() - 1)});
  }

  [[nodiscard]] const Scale& scale() const { return scale_; }
  /// Labels bound so far: those below.
  [[nodiscard]] std::uint32_t labels() const { return labels_; }
  /// The compact form of a use of `label`, if it has one.
  [[nodiscard]] std::optional<std::uint32_t> back_to(Label label) const;

 private:
  [[nodiscard]] Label bound() const { return {labels_}; }
  [[nodiscard]] std::optional<Label> used(const Record& record) const;
  [[nodiscard]] Range window(const Record& record) const;

  ReferenceModel model_;  ///< of what is busy from the start
  Scale scale_;
  std::uint32_t labels_ = 0;  ///< bound so far
  std::vector<Label> areas_;  ///< bound, and named by no free since, in order of binding
};

void number_unbound(std::vector<Op>& ops, std::uint32_t bound);

}  // namespace

Trace decode(std::span<const std::uint8_t> bytes) {
  const auto next_record = [&]() -> std::optional<Record> {
    if (bytes.size() < record_bytes) return std::nullopt;
    const Record record = load(bytes.first<record_bytes>());
    bytes = bytes.subspan(record_bytes);
    return record;
  };
  Trace trace;
  const std::optional<Record> first = next_record();
  trace.space = first ? space_of(*first) : ordinary_space;
  Reader reader(trace.space);
  trace.ops.reserve(bytes.size() / record_bytes);
  while (const std::optional<Record> record = next_record()) {
    switch (record->kind()) {
      case kind_busy:
        if (const auto range = reader.busy(*record); range && trace.ops.empty()) {
          reader.read(*range);
          trace.space.busy.push_back(*range);
        }
        break;
      case kind_block:
        if (auto* congruent = trace.ops.empty() ? nullptr : std::get_if<Congruent>(&trace.ops.back())) {
          if (congruent->blocks.size() <= 1) congruent->blocks.reserve(8);
          congruent->blocks.push_back(reader.block(*record, *congruent));
          reader.read_block(*congruent);
        }
        break;
      default:
        if (auto op = reader.op(*record)) {
          reader.read(*op);
          trace.ops.push_back(*std::move(op));
        }
    }
  }
  number_unbound(trace.ops, reader.labels());
  return trace;
}

namespace {

std::optional<Range> Reader::busy(const Record& record) const {
  const auto& [a, b, c, d] = record.args;
  const Range range = record.exact() ? Range{a, b} : scale_.placement(a, b);
  if (!model_.predict(range)) return std::nullopt;
  return range;
}

std::optional<Op> Reader::op(const Record& record) const {
  const auto& [a, b, c, d] = record.args;
  const bool exact = record.exact();
  switch (record.kind()) {
    case kind_of<Alloc>:
      return Alloc{bound(), {exact ? a : scale_.length(a), exact ? b : scale_.align(b), window(record)}};
    case kind_of<AllocAt>: return AllocAt{bound(), exact ? Range{a, b} : scale_.placement(a, b)};
    case kind_of<Congruent>: {
      Congruent op{bound(), exact ? b : scale_.align(b), window(record), {}};
      if (!exact) op.blocks.push_back({0, scale_.length(a)});
      return op;
    }
    case kind_of<Free>:
      if (const auto label = used(record)) return Free{*label};
      return std::nullopt;
    case kind_of<FreeLazily>:
      if (const auto label = used(record)) return FreeLazily{*label};
      return std::nullopt;
    case kind_of<OnExhaustion>:
      if (const auto label = used(record)) return OnExhaustion{*label};
      return std::nullopt;
    case kind_of<FreeAt>: return FreeAt{exact ? a : scale_.place(a)};
    case kind_of<FreeLazilyAt>: return FreeLazilyAt{exact ? a : scale_.place(a)};
    case kind_of<Find>: return Find{exact ? a : scale_.place(a)};
    case kind_of<Purge>: return Purge{};
    case kind_of<FailMetadata>: return FailMetadata{exact ? std::max<std::uint64_t>(a, 1) : 1 + a % Scale::countdowns};
    default: return std::nullopt;
  }
}

vmap::Block Reader::block(const Record& record, const Congruent& congruent) const {
  const auto& [a, b, c, d] = record.args;
  if (record.exact()) return {a, b};
  const vmap::Block before = congruent.blocks.empty() ? vmap::Block{} : congruent.blocks.back();
  return {before.offset + before.size + a % Scale::gaps * scale_.granule, scale_.length(b)};
}

void Reader::read(const Op& op) {
  const auto freed = [&](Label label) {
    if (const auto back = back_to(label)) areas_.erase(areas_.end() - 1 - *back);
  };
  if (std::holds_alternative<Alloc>(op) || std::holds_alternative<AllocAt>(op)) {
    areas_.push_back(bound());
    ++labels_;
  } else if (const auto* congruent = std::get_if<Congruent>(&op)) {
    if (!congruent->blocks.empty()) read_block(*congruent);
    ++labels_;
  } else if (const auto* free = std::get_if<Free>(&op)) {
    freed(free->label);
  } else if (const auto* lazily = std::get_if<FreeLazily>(&op)) {
    freed(lazily->label);
  }
}

std::optional<Label> Reader::used(const Record& record) const {
  if (record.exact())
    return Label{std::min(record.label, Label::whole - 1), static_cast<std::uint32_t>(record.args[0])};
  if (areas_.empty()) return std::nullopt;
  return areas_[areas_.size() - 1 - record.label % areas_.size()];
}

Range Reader::window(const Record& record) const {
  if (record.exact()) return {record.args[2], record.args[3]};
  if ((record.flags & flag_window) != flag_window) return vmap::everywhere;
  return scale_.window(record.args[2], record.args[3]);
}

/// Gives labels that no op binds the numbers from `bound` on, in order of use, as relabel() does; those that are bound
/// have their numbers.
void number_unbound(std::vector<Op>& ops, std::uint32_t bound) {
  std::unordered_map<std::uint32_t, std::uint32_t> renamed;
  const auto number = [&](Label& label) {
    if (label.id >= bound)
      label.id = renamed.try_emplace(label.id, bound + static_cast<std::uint32_t>(renamed.size())).first->second;
  };
  for (Op& op : ops) {
    if (auto* const free = std::get_if<Free>(&op)) number(free->label);
    if (auto* const lazily = std::get_if<FreeLazily>(&op)) number(lazily->label);
    if (auto* const hook = std::get_if<OnExhaustion>(&op)) number(hook->label);
  }
}

/// Areas are in order of their labels: binding appends, freeing takes out.
std::optional<std::uint32_t> Reader::back_to(Label label) const {
  const auto area = std::ranges::lower_bound(areas_, label);
  if (area == areas_.end() || *area != label) return std::nullopt;
  return static_cast<std::uint32_t>(areas_.end() - area - 1);
}

}  // namespace

// ---- Writing

namespace {

class Writer {
 public:
  explicit Writer(const Space& space) : reader_(Space{space.range, space.granule, space.lazy_limit, {}}) {
    Record record = compact_of(space);
    const Space read = space_of(record);
    if (read.range != space.range || read.granule != space.granule || read.lazy_limit != space.lazy_limit)
      record = exact_of(space);
    store(bytes_, record);
    for (const Range busy : space.busy) write(busy);
  }
  void write(const Op& op);

  std::vector<std::uint8_t> bytes() && { return std::move(bytes_); }

 private:
  void write(Range busy);
  void write(const Congruent& op);

  [[nodiscard]] std::optional<Record> compact(const Op& op) const;
  [[nodiscard]] static Record exact(const Op& op);
  [[nodiscard]] Record compact_placement(std::uint8_t kind, Range range) const;

  Reader reader_;
  std::vector<std::uint8_t> bytes_;
};

Record record_of(std::uint8_t kind, std::uint8_t flags, std::array<std::uint64_t, 4> args, std::uint32_t label = 0) {
  return {code_of(kind), flags, label, args};
}

}  // namespace

std::vector<std::uint8_t> encode(const Trace& trace) {
  const Trace numbered = relabel(trace);
  Writer writer(numbered.space);
  for (const Op& op : numbered.ops) writer.write(op);
  return std::move(writer).bytes();
}

std::size_t encoded_size_max(const Trace& trace) {
  std::size_t records = 1 + trace.space.busy.size() + trace.ops.size();
  for (const Op& op : trace.ops) {
    const auto* congruent = std::get_if<Congruent>(&op);
    if (congruent != nullptr) records += congruent->blocks.size();
  }
  return records * record_bytes;
}

namespace {

void Writer::write(Range busy) {
  Record record = compact_placement(kind_busy, busy);
  if (reader_.busy(record) != busy) record = record_of(kind_busy, flag_exact, {busy.begin, busy.end});
  store(bytes_, record);
  reader_.read(busy);
}

void Writer::write(const Op& op) {
  if (const auto* congruent = std::get_if<Congruent>(&op)) return write(*congruent);
  std::optional<Record> record = compact(op);
  if (!record || reader_.op(*record) != op) record = exact(op);
  store(bytes_, *record);
  reader_.read(op);
}

/// A record of what is asked of all blocks, with the first of them in it where the form is compact; then one for each
/// block.
void Writer::write(const Congruent& op) {
  Congruent written{op.label, op.align, op.within, {}};
  std::optional<Record> head;
  if (!op.blocks.empty()) {
    written.blocks.push_back(op.blocks.front());
    head = compact(written);
  }
  if (!head || reader_.op(*head) != Op(written)) {
    written.blocks.clear();
    head = exact(written);
  }
  store(bytes_, *head);
  reader_.read(Op(written));
  while (written.blocks.size() < op.blocks.size()) {
    const vmap::Block& block = op.blocks[written.blocks.size()];
    const vmap::Block before = written.blocks.empty() ? vmap::Block{} : written.blocks.back();
    const Scale& scale = reader_.scale();
    Record record =
        record_of(kind_block, 0,
                  {(block.offset - before.offset - before.size) / scale.granule, scale.number_of_length(block.size)});
    if (reader_.block(record, written) != block) record = record_of(kind_block, flag_exact, {block.offset, block.size});
    store(bytes_, record);
    written.blocks.push_back(block);
    reader_.read_block(written);
  }
}

Record Writer::compact_placement(std::uint8_t kind, Range range) const {
  const Scale& scale = reader_.scale();
  return record_of(kind, 0, {scale.number_of_place(range.begin), scale.number_of_length(range.end - range.begin)});
}

/// A record that says what `op` says, if compact arguments can say that at all.
std::optional<Record> Writer::compact(const Op& op) const {
  const Scale& scale = reader_.scale();
  const auto kind = static_cast<std::uint8_t>(op.index());
  const auto request = [&](Size size, Size align, Range within) {
    const bool everywhere = within == vmap::everywhere;
    return record_of(
        kind, everywhere ? 0 : flag_window,
        {scale.number_of_length(size), scale.number_of_align(align),
         everywhere ? 0 : scale.number_of_place(within.begin), everywhere ? 0 : scale.number_of_place(within.end)});
  };
  return std::visit(
      [&]<class T>(const T& o) -> std::optional<Record> {
        if constexpr (std::is_same_v<T, Alloc>) {
          return request(o.request.size, o.request.align, o.request.within);
        } else if constexpr (std::is_same_v<T, Congruent>) {
          return request(o.blocks.front().size, o.align, o.within);
        } else if constexpr (std::is_same_v<T, AllocAt>) {
          return compact_placement(kind, o.range);
        } else if constexpr (requires { o.address; }) {
          return record_of(kind, 0, {scale.number_of_place(o.address)});
        } else if constexpr (requires { o.label; }) {
          const auto back = reader_.back_to(o.label);
          if (!back) return std::nullopt;
          return record_of(kind, 0, {}, *back);
        } else if constexpr (requires { o.countdown; }) {
          return record_of(kind, 0, {o.countdown - 1});
        } else {
          return record_of(kind, 0, {});
        }
      },
      op);
}

Record Writer::exact(const Op& op) {
  const auto kind = static_cast<std::uint8_t>(op.index());
  return std::visit(
      [&]<class T>(const T& o) {
        if constexpr (std::is_same_v<T, Alloc>) {
          const vmap::Request& r = o.request;
          return record_of(kind, flag_exact, {r.size, r.align, r.within.begin, r.within.end});
        } else if constexpr (std::is_same_v<T, Congruent>) {
          return record_of(kind, flag_exact, {0, o.align, o.within.begin, o.within.end});
        } else if constexpr (std::is_same_v<T, AllocAt>) {
          return record_of(kind, flag_exact, {o.range.begin, o.range.end});
        } else if constexpr (requires { o.address; }) {
          return record_of(kind, flag_exact, {o.address});
        } else if constexpr (requires { o.label; }) {
          return record_of(kind, flag_exact, {o.label.part}, o.label.id);
        } else if constexpr (requires { o.countdown; }) {
          return record_of(kind, flag_exact, {o.countdown});
        } else {
          return record_of(kind, flag_exact, {});
        }
      },
      op);
}

}  // namespace

// ---- The space

Space sound(Space space) {
  const Size granule = space.granule = std::max<Size>(1, std::bit_floor(space.granule));
  Range& range = space.range;
  range = {vmap::align_down(std::min(range.begin, range.end), granule),
           vmap::align_down(std::max(range.begin, range.end), granule)};
  if (range.empty() && range.begin != 0)
    range.begin -= granule;
  else if (range.empty())
    range.end += granule;
  std::vector<Range> busy = std::exchange(space.busy, {});
  ReferenceModel model(space);
  std::erase_if(busy, [&](Range other) {
    if (!model.predict(other)) return true;
    model.occupy(other, std::nullopt);
    return false;
  });
  space.busy = std::move(busy);
  return space;
}

namespace {

constexpr std::uint64_t away_max = 1024;  // granules
constexpr std::uint64_t space_max = 512;  // granules
constexpr std::uint64_t limit_max = 32;   // granules
constexpr Address middle = Address{1} << 63;

Space space_of(const Record& record) {
  const auto& [a, b, c, d] = record.args;
  const bool limited = (record.flags & flag_limit) != 0;
  if (record.exact()) return sound({{a, b}, c, limited ? std::optional(d) : std::nullopt, {}});
  const Size granule = Size{1} << (c % 32);
  const Size size = (1 + b % space_max) * granule;
  const Size away = a / 4 % away_max * granule;
  const Address top = top_of(granule);
  const Range ranges[] = {
      {away, away + size}, {middle + away, middle + away + size}, {top - away - size, top - away}, {0, top}};
  return {ranges[a % 4], granule, limited ? std::optional(d % limit_max * granule) : std::nullopt, {}};
}

Record compact_of(const Space& space) {
  const Size granule = space.granule;
  const Address top = top_of(granule);
  const auto [begin, end] = space.range;
  std::uint64_t a = begin / granule * 4;
  if (begin >= middle) a = (begin - middle) / granule * 4 + 1;
  if (begin >= middle && (top - end) / granule < away_max) a = (top - end) / granule * 4 + 2;
  if (begin == 0 && end == top) a = 3;
  const auto c = static_cast<std::uint64_t>(std::countr_zero(granule));
  return {0,
          space.lazy_limit ? flag_limit : std::uint8_t{0},
          0,
          {a, a == 3 ? 0 : space.range.size() / granule - 1, c, space.lazy_limit.value_or(0) / granule}};
}

Record exact_of(const Space& space) {
  const auto flags = static_cast<std::uint8_t>(flag_exact | (space.lazy_limit ? flag_limit : 0));
  return {0, flags, 0, {space.range.begin, space.range.end, space.granule, space.lazy_limit.value_or(0)}};
}

// ---- Bytes

template <class T>
T load_number(const std::uint8_t* bytes) {
  T number = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) number = static_cast<T>(number << 8 | bytes[i]);
  return number;
}

template <class T>
void store_number(std::uint8_t* bytes, T number) {
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<std::uint8_t>(number >> (8 * i));
}

Record load(std::span<const std::uint8_t, record_bytes> bytes) {
  Record record{bytes[0], bytes[1], load_number<std::uint32_t>(&bytes[4]), {}};
  for (std::size_t i = 0; i < record.args.size(); ++i) record.args[i] = load_number<std::uint64_t>(&bytes[8 + 8 * i]);
  return record;
}

void store(std::vector<std::uint8_t>& bytes, const Record& record) {
  std::array<std::uint8_t, record_bytes> stored{record.code, record.flags};
  store_number(&stored[4], record.label);
  for (std::size_t i = 0; i < record.args.size(); ++i) store_number(&stored[8 + 8 * i], record.args[i]);
  bytes.insert(bytes.end(), stored.begin(), stored.end());
}

}  // namespace
}  // namespace vmapcheck
