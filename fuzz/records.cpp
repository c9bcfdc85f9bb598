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
constexpr std::size_t kind_block = op_kind_count;
constexpr std::size_t kind_busy = op_kind_count + 1;

/// How many of the 32 codes a kind has, in the order of codes. A new op takes some from the end of a kind that has
/// many: all others then keep theirs.
struct Share {
  std::size_t kind;
  std::size_t codes;
};
constexpr Share shares[] = {
    {op_kind<Alloc>, 9},  // 0 to 8
    {op_kind<AllocAt>, 3},
    {op_kind<Congruent>, 1},
    {op_kind<Free>, 9},
    {op_kind<FreeLazily>, 2},
    {op_kind<OnExhaustion>, 1},
    {op_kind<FreeAt>, 1},
    {op_kind<FreeLazilyAt>, 1},
    {op_kind<Find>, 1},
    {op_kind<Purge>, 1},
    {op_kind<FailMetadata>, 1},
    {kind_block, 1},
    {kind_busy, 1},
};

constexpr std::array<std::size_t, 32> kinds = [] {  // by code
  std::array<std::size_t, 32> table{};
  auto* next = table.begin();
  for (const Share& share : shares) next = std::fill_n(next, share.codes, share.kind);
  if (next != table.end()) throw "codes that stand for nothing";
  return table;
}();

constexpr std::uint8_t code_of(std::size_t kind) {
  return static_cast<std::uint8_t>(std::ranges::find(kinds, kind) - kinds.begin());
}

struct Record {
  std::uint8_t code = 0;  ///< the byte `kind`
  std::uint8_t flags = 0;
  std::uint32_t label = 0;
  std::array<std::uint64_t, 4> args{};

  [[nodiscard]] std::size_t kind() const { return kinds[code % kinds.size()]; }
  [[nodiscard]] bool exact() const { return (flags & flag_exact) == flag_exact; }
};

/// How many of a record's numbers a field takes: a used label its part, blocks the length of a first one.
template <Meaning meaning>
constexpr std::size_t numbers_of = meaning == Meaning::label_bound           ? 0
                                   : std::is_same_v<ValueOf<meaning>, Range> ? 2
                                                                             : 1;

/// Calls `visit(field, value, numbers)` for each field of the op with those of the record's numbers that are the
/// field's: in the order of the fields, but blocks have the first.
template <class T, class Numbers, class Visit>
void for_each_argument(T& op, Numbers& args, Visit visit) {
  using Kind = std::remove_const_t<T>;
  static_assert(std::ranges::count(kinds, op_kind<Kind>) > 0, "an op without a record: it needs an entry in `shares`");
  constexpr auto numbers = [](auto... field) { return (std::size_t{0} + ... + numbers_of<field.meaning>); };
  constexpr auto labels = [](auto... field) { return (0 + ... + (field.meaning == Meaning::label_used)); };
  static_assert(std::apply(numbers, Kind::fields()) <= std::tuple_size_v<std::remove_const_t<Numbers>>,
                "an op with more arguments than a record has numbers");
  static_assert(std::apply(labels, Kind::fields()) <= 1, "an op that uses more labels than a record has");
  auto* next = args.data() + (has_field<Kind>(Meaning::blocks) ? 1 : 0);
  for_each_field_of(op, [&]<class Field>(Field field, auto& value) {
    if constexpr (Field::meaning == Meaning::blocks) {
      visit(field, value, args.data());
    } else {
      visit(field, value, next);
      next += numbers_of<Field::meaning>;
    }
  });
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
  static constexpr std::uint64_t counts = 8;

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

  /// What a record of a busy range, an op, or a block behind others says, if it says anything.
  [[nodiscard]] std::optional<Range> busy(const Record& record) const;
  [[nodiscard]] std::optional<Op> op(const Record& record) const;
  [[nodiscard]] vmap::Block block(const Record& record, const std::vector<vmap::Block>& before) const;

  // Takes note of what was read.
  void read(Range busy) { model_.occupy(busy, std::nullopt); }
  void read(const Op& op);
  /// Of the op that was read last.
  void read_block(std::size_t index) { areas_.push_back({labels_ - 1, static_cast<std::uint32_t>(index)}); }

  [[nodiscard]] const Scale& scale() const { return scale_; }
  [[nodiscard]] bool uses_unbound() const { return used_ > labels_; }
  /// The compact form of a use of `label`, if it has one.
  [[nodiscard]] std::optional<std::uint32_t> back_to(Label label) const;

 private:
  /// False where there is nothing that the field could name.
  template <Meaning meaning>
  bool read_field(const Record& record, const std::uint64_t* numbers, ValueOf<meaning>& value) const {
    const std::uint64_t a = numbers[0];
    const bool exact = record.exact();
    using enum Meaning;
    if constexpr (meaning == label_bound) {
      value = {labels_};
    } else if constexpr (meaning == label_used) {
      if (!exact && areas_.empty()) return false;
      value = exact ? Label{std::min(record.label, Label::whole - 1), static_cast<std::uint32_t>(a)}
                    : areas_[areas_.size() - 1 - record.label % areas_.size()];
    } else if constexpr (meaning == size) {
      value = exact ? a : scale_.length(a);
    } else if constexpr (meaning == align) {
      value = exact ? a : scale_.align(a);
    } else if constexpr (meaning == address) {
      value = exact ? a : scale_.place(a);
    } else if constexpr (meaning == count) {
      value = exact ? std::max<std::uint64_t>(a, 1) : 1 + a % Scale::counts;
    } else if constexpr (meaning == range) {
      value = exact ? Range{a, numbers[1]} : scale_.placement(a, numbers[1]);
    } else if constexpr (meaning == window) {
      const bool given = exact || (record.flags & flag_window) == flag_window;
      if (given) value = exact ? Range{a, numbers[1]} : scale_.window(a, numbers[1]);
    } else {
      static_assert(meaning == blocks);
      if (!exact) value.push_back({0, scale_.length(a)});
    }
    return true;
  }

  ReferenceModel model_;  ///< of what is busy from the start
  Scale scale_;
  std::uint32_t labels_ = 0;  ///< bound so far: those below
  std::uint32_t used_ = 0;    ///< so far: none of those from here on
  std::vector<Label> areas_;  ///< bound, and named by no free since, in order of binding
};

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
    if (record->kind() == kind_busy) {
      if (const auto range = reader.busy(*record); range && trace.ops.empty()) {
        reader.read(*range);
        trace.space.busy.push_back(*range);
      }
    } else if (record->kind() == kind_block) {
      auto* const blocks = trace.ops.empty() ? nullptr : find_field<Meaning::blocks>(trace.ops.back());
      if (blocks == nullptr) continue;
      if (blocks->size() <= 1) blocks->reserve(8);
      reader.read_block(blocks->size());
      blocks->push_back(reader.block(*record, *blocks));
    } else if (auto op = reader.op(*record)) {
      reader.read(*op);
      trace.ops.push_back(*std::move(op));
    }
  }
  if (reader.uses_unbound()) return relabel(std::move(trace));
  return trace;  // labels that are bound have their numbers
}

namespace {

std::optional<Range> Reader::busy(const Record& record) const {
  Range range;
  read_field<Meaning::range>(record, record.args.data(), range);
  if (!model_.predict(range)) return std::nullopt;
  return range;
}

std::optional<Op> Reader::op(const Record& record) const {
  std::optional<Op> op = op_of_kind(record.kind());
  bool good = true;
  std::visit(
      [&](auto& one) {
        for_each_argument(one, record.args, [&]<class Field>(Field, auto& value, const std::uint64_t* numbers) {
          good = good && read_field<Field::meaning>(record, numbers, value);
        });
      },
      *op);
  if (!good) op.reset();
  return op;
}

vmap::Block Reader::block(const Record& record, const std::vector<vmap::Block>& before) const {
  const auto& [a, b, c, d] = record.args;
  if (record.exact()) return {a, b};
  const vmap::Block last = before.empty() ? vmap::Block{} : before.back();
  return {last.offset + last.size + a % Scale::gaps * scale_.granule, scale_.length(b)};
}

void Reader::read(const Op& op) {
  if (const Label* const label = used_label(op)) {
    used_ = std::max(used_, label->id + 1);
    const auto back = kind_frees[op.index()] == Frees::nothing ? std::nullopt : back_to(*label);
    if (back) areas_.erase(areas_.end() - 1 - *back);
  }
  if (bound_label(op) == nullptr) return;
  ++labels_;
  if (const auto* const blocks = find_field<Meaning::blocks>(op))
    for (std::size_t i = 0; i < blocks->size(); ++i) read_block(i);
  else
    areas_.push_back({labels_ - 1});
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
  void write(const vmap::Block& block, const std::vector<vmap::Block>& before);

  /// A record that says what `op` says, but of blocks only the first where the form is compact, and none where it is
  /// exact; nullopt if compact arguments cannot say it.
  [[nodiscard]] std::optional<Record> record_of(const Op& op, std::uint8_t flags) const;

  /// False where the form cannot say it. Where it says something else, that is seen when it is read.
  template <Meaning meaning>
  bool write_field(const ValueOf<meaning>& value, Record& record, std::uint64_t* numbers) const {
    const Scale& scale = reader_.scale();
    const bool exact = record.exact();
    using enum Meaning;
    if constexpr (meaning == label_used) {
      const auto back = exact ? value.id : reader_.back_to(value);
      if (!back) return false;
      record.label = *back;
      numbers[0] = exact ? value.part : 0;
    } else if constexpr (meaning == size) {
      numbers[0] = exact ? value : scale.number_of_length(value);
    } else if constexpr (meaning == align) {
      numbers[0] = exact ? value : scale.number_of_align(value);
    } else if constexpr (meaning == address) {
      numbers[0] = exact ? value : scale.number_of_place(value);
    } else if constexpr (meaning == count) {
      numbers[0] = exact ? value : value - 1;
    } else if constexpr (meaning == range) {
      numbers[0] = exact ? value.begin : scale.number_of_place(value.begin);
      numbers[1] = exact ? value.end : scale.number_of_length(value.end - value.begin);
    } else if constexpr (meaning == window) {
      if (!exact && value == vmap::everywhere) return true;
      if (!exact) record.flags |= flag_window;
      numbers[0] = exact ? value.begin : scale.number_of_place(value.begin);
      numbers[1] = exact ? value.end : scale.number_of_place(value.end);
    } else if constexpr (meaning == blocks) {
      if (!exact && !value.empty()) numbers[0] = scale.number_of_length(value.front().size);
    } else {
      static_assert(meaning == label_bound);  // no record says so
    }
    return true;
  }

  Reader reader_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace

std::vector<std::uint8_t> encode(const Trace& trace) {
  const Trace numbered = relabel(trace);
  Writer writer(numbered.space);
  for (const Op& op : numbered.ops) writer.write(op);
  return std::move(writer).bytes();
}

std::size_t encoded_size_max(const Trace& trace) {
  std::size_t records = 1 + trace.space.busy.size() + trace.ops.size();
  for (const Op& op : trace.ops)
    if (const auto* const blocks = find_field<Meaning::blocks>(op)) records += blocks->size();
  return records * record_bytes;
}

namespace {

void Writer::write(Range busy) {
  Record record{code_of(kind_busy)};
  write_field<Meaning::range>(busy, record, record.args.data());
  if (reader_.busy(record) != busy) record = {code_of(kind_busy), flag_exact, 0, {busy.begin, busy.end}};
  store(bytes_, record);
  reader_.read(busy);
}

void Writer::write(const Op& op) {
  Op written = op;
  auto* const blocks = find_field<Meaning::blocks>(written);
  if (blocks != nullptr && blocks->size() > 1) blocks->resize(1);
  std::optional<Record> record = record_of(written, 0);
  if (!record || reader_.op(*record) != written) {
    if (blocks != nullptr) blocks->clear();
    record = record_of(written, flag_exact);
  }
  store(bytes_, *record);
  reader_.read(written);
  if (blocks == nullptr) return;
  for (const vmap::Block& block : std::span(*find_field<Meaning::blocks>(op)).subspan(blocks->size())) {
    write(block, *blocks);
    blocks->push_back(block);
  }
}

void Writer::write(const vmap::Block& block, const std::vector<vmap::Block>& before) {
  const Scale& scale = reader_.scale();
  const vmap::Block last = before.empty() ? vmap::Block{} : before.back();
  const std::uint64_t gap = (block.offset - last.offset - last.size) / scale.granule;
  Record record{code_of(kind_block), 0, 0, {gap, scale.number_of_length(block.size)}};
  if (reader_.block(record, before) != block) record = {code_of(kind_block), flag_exact, 0, {block.offset, block.size}};
  store(bytes_, record);
  reader_.read_block(before.size());
}

std::optional<Record> Writer::record_of(const Op& op, std::uint8_t flags) const {
  std::optional<Record> record(Record{code_of(op.index()), flags});
  bool good = true;
  std::visit(
      [&](const auto& one) {
        for_each_argument(one, record->args, [&]<class Field>(Field, const auto& value, std::uint64_t* numbers) {
          good = good && write_field<Field::meaning>(value, *record, numbers);
        });
      },
      op);
  if (!good) record.reset();
  return record;
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
