#include "models/gpu_catalog.hpp"
#include "models/bytes.hpp"
#include "models/nearest_name.hpp"
#include "scenarios/documents/quantity.hpp"
#include "scenarios/markets/price_readers.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

namespace windtunnel {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

bool says_nothing(const std::string& text) {
    static const std::set<std::string> words = {"", "-", "–", "n/a", "na", "nan", "none", "null", "unavailable", "not available", "not offered"};
    return words.contains(text);
}

std::optional<double> number_of(std::string_view text) {
    double value = 0;
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
    return value;
}

/// "1,234.5" and "1,234" with thousands' commas, "0,8048" with a decimal one, "1.234,5", "1 234,5" and "1'234.5".
std::string without_commas(std::string_view text) {
    std::string out(text);
    for (const char* gap : {" ", "'", "\u00a0", "\u202f", "’"})
        for (std::size_t at = 0; (at = out.find(gap, at)) != std::string::npos;) {
            const std::size_t behind = at + std::string_view(gap).size();
            const auto digit = [&](std::size_t i) { return i < out.size() && out[i] >= '0' && out[i] <= '9'; };
            // Between thousands: three digits follow, and no fourth.
            if (at > 0 && digit(at - 1) && digit(behind) && digit(behind + 1) && digit(behind + 2) && !digit(behind + 3))
                out.erase(at, behind - at);
            else
                at = behind;
        }
    const std::size_t comma = out.find(',');
    if (comma == std::string::npos) return out;
    const std::size_t dot = out.find('.');
    if (dot < comma && out.find(',', comma + 1) == std::string::npos) {  // thousands' points before a decimal comma
        std::erase(out, '.');
        out[out.find(',')] = '.';
        return out;
    }
    const bool one = out.find(',', comma + 1) == std::string::npos, dotted = dot != std::string::npos;
    if (one && !dotted && (out.size() - comma != 4 || comma == 0 || out.front() == '0'))
        out[comma] = '.';
    else
        std::erase(out, ',');
    return out;
}

/// The clouds of the catalogue that sell a type of that name.
const std::vector<std::string>& clouds_of(const std::string& type) {
    static const std::map<std::string, std::vector<std::string>> by_type = [] {
        std::map<std::string, std::vector<std::string>> out;
        for (const InstanceType& known : all_instance_types()) out[folded_name(known.name)].push_back(known.cloud);
        return out;
    }();
    static const std::vector<std::string> none;
    const auto found = by_type.find(folded_name(type));
    return found == by_type.end() ? none : found->second;
}

/// SkyPilot's catalogues say their cloud by their place alone: catalogs/v5/aws/vms.csv, lambda.csv.
std::string cloud_of_file(const std::string& name) {
    static const std::set<std::string> known = {"aws", "azure", "gcp", "oci", "ibm", "lambda", "runpod", "nebius", "fluidstack", "cudo", "paperspace", "vast", "hyperbolic", "do", "scp", "seeweb", "primeintellect"};
    const std::filesystem::path file(name);
    std::string stem = lower(file.filename().string());
    stem = stem.substr(0, stem.find('.'));
    if (known.contains(stem)) return stem;
    const std::string folder = lower(file.parent_path().filename().string());
    return stem == "vms" && known.contains(folder) ? folder : "";
}

const InstanceType* find_type(const PriceRow& row) {
    if (row.cloud.empty()) return nullptr;
    const auto known = get_instance_type(row.cloud, row.instance_type);
    return known ? *known : nullptr;
}

/// What the catalogue knows of a machine whose list gives prices alone.
void describe(PriceRow& row) {
    const InstanceType* known = find_type(row);
    if (known == nullptr) return;
    row.gpu = known->gpu;
    row.gpu_count = known->gpu_count;
    row.vcpus = known->vcpus;
    row.memory_gib = known->memory_gib;
}

/// The cloud whose types are named so; "" where none is found.
std::string cloud_of_type(const std::string& type) {
    if (const auto& clouds = clouds_of(type); clouds.size() == 1) return clouds.front();
    const std::string name = lower(type);
    return name.starts_with("standard_") ? "azure" : name.starts_with("vm.") || name.starts_with("bm.") ? "oci" : "";
}

/// Whether two names are of one card; "A100" and "A100-80GB" are of either form.
bool is_same_card(const std::string& one, const std::string& other) {
    const auto a = get_gpu(one), b = get_gpu(other);
    if (!a || !b) return folded_name(one) == folded_name(other);
    const auto family = [](const std::string& name) { return name.substr(0, name.find('-')); };
    return family(a->gpu.name) == family(b->gpu.name) && a->gpu.memory_bytes == b->gpu.memory_bytes;
}

/// "use1-az1", "apne1-az4" (AWS documentation, availability zone ids, 2025).
bool is_zone_id(const std::string& zone) {
    const std::size_t az = zone.find("-az");
    return az != std::string::npos && az >= 3 && az <= 8 && az + 3 < zone.size() && zone.find_first_not_of("0123456789", az + 3) == std::string::npos;
}

std::string shown_usd(const std::optional<std::int64_t>& nano) { return nano ? fmt::format("{:g}", static_cast<double>(*nano) / 1e9) : "none"; }

}  // namespace

const std::string& price_list_formats() {
    static const std::string text =
        "SkyPilot's catalogue (InstanceType,Price,SpotPrice,Region), Karpenter's prices (JSON, Go), AWS's price list or spot price history, "
        "Azure's retail prices, Google's SKUs, Oracle's list, a FOCUS export, AWS's cost and usage report, ec2instances.info, or CSV with instance_type, region, price_usd_per_hour";
    return text;
}

MoneyText read_money(std::string_view text) {
    std::string word = lower(trimmed(text));
    MoneyText out;
    if (says_nothing(word)) return out;
    out.offered = true;
    bool negative = false;
    if (word.front() == '-') {
        negative = true;
        word.erase(0, 1);
    }
    for (const char* before : {"usd", "us$", "$"})
        if (word.starts_with(before)) word.erase(0, std::string_view(before).size());
    for (const char* behind : {"per hour", "hourly", "/hour", "/hr", "/h", "usd", "$"})
        if (word.ends_with(behind)) {
            word.erase(word.size() - std::string_view(behind).size());
            word = std::string(trimmed(word));
        }
    const auto value = number_of(without_commas(trimmed(word)));
    if (!value || *value >= 1e6) return out;
    out.negative = *value != 0 && (negative != (*value < 0));
    if (!out.negative) out.nano_usd = std::llround(std::abs(*value) * 1e9);  // lists write more digits than a billionth: those are rounded
    return out;
}

std::optional<double> read_amount(std::string_view text) {
    const auto value = number_of(without_commas(trimmed(text)));
    return value && *value >= 0 ? value : std::nullopt;
}

double leading_number(std::string_view text) {
    const std::string_view digits = trimmed(text);
    const std::size_t end = std::min(digits.find_first_not_of("0123456789.,"), digits.size());
    return read_amount(digits.substr(0, end)).value_or(0);
}

std::string machine_in(std::string_view text) {
    const auto formed_like_one = [](const std::string& word) {
        const std::size_t dot = word.find('.'), digit = word.find_first_of("0123456789");
        if (word.starts_with("standard_") || word.starts_with("vm.") || word.starts_with("bm.")) return digit != std::string::npos;
        if (dot != std::string::npos)  // EC2: a family with a generation, a size
            return digit != std::string::npos && digit > 0 && digit < dot && word.find('.', dot + 1) == std::string::npos && word.front() >= 'a' && word.front() <= 'z' &&
                   (word.ends_with("large") || word.ends_with("medium") || word.ends_with("small") || word.ends_with("micro") || word.ends_with("nano") || word.find(".metal") != std::string::npos);
        for (const char* kind : {"-standard-", "-highmem-", "-highcpu-", "-highgpu-", "-megagpu-", "-ultragpu-", "-edgegpu-", "-maxgpu-"})
            if (word.find(kind) != std::string::npos) return digit != std::string::npos && digit > 0;
        return false;
    };
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t from = text.find_first_not_of(" \t,;:()/\"'", at);
        if (from == std::string_view::npos) break;
        at = std::min(text.find_first_of(" \t,;:()/\"'", from), text.size());
        const std::string word(text.substr(from, at - from));
        if (formed_like_one(lower(word)) || !clouds_of(word).empty()) return word;
    }
    return "";
}

void PriceGatherer::leave_out(const std::string& kind, const std::string& path, const std::string& message) {
    LeftOut& left = m_left_out[kind];
    if (left.count++ == 0) {
        left.warning = m_list.warnings.size();
        left.message = message;
        warn(path, message);
    } else {
        m_list.warnings[left.warning].message = fmt::format("{} ({} such)", left.message, left.count);
    }
}

bool PriceGatherer::is_foreign(const std::string& currency) {
    if (currency.empty() || folded_name(currency) == "usd") return false;
    if (m_foreign.insert(currency).second) warn("", "has prices in " + currency + ", which are left out, allowed: USD (convert them)");
    return true;
}

std::optional<std::int64_t> PriceGatherer::money(const std::string& path, const std::string& text) {
    const MoneyText read = read_money(text);
    if (read.offered && !read.nano_usd) refuse(path, fmt::format("found \"{}\", allowed: USD per hour of at least 0, or nothing", text));
    return read.nano_usd;
}

std::optional<std::int64_t> PriceGatherer::billed_money(const std::string& path, const std::string& text) {
    if (!read_money(text).negative) return money(path, text);
    leave_out("negative" + path, path, fmt::format("found \"{}\", which is less than nothing: left out", text));
    return std::nullopt;
}

void PriceGatherer::say_once(const std::string& kind, const std::string& path, const std::string& message) {
    if (m_said.insert(kind).second) warn(path, message);
}

double PriceGatherer::gpus_of(PriceRow row) const {
    if (row.gpu_count > 0) return row.gpu_count;
    if (row.cloud.empty()) row.cloud = cloud_of_file(m_name);
    if (row.cloud.empty()) row.cloud = cloud_of_type(row.instance_type);
    const InstanceType* known = find_type(row);
    return known == nullptr ? 0 : known->gpu_count;
}

void PriceGatherer::add(PriceRow row) {
    if (row.cloud.empty()) row.cloud = cloud_of_file(m_name);
    if (row.cloud.empty()) row.cloud = cloud_of_type(row.instance_type);
    // "use1-az1" is another zone's name in every account (SkyPilot's catalogue of AWS has them): the region's price remains.
    if (is_zone_id(row.zone) && !row.region.empty()) {
        say_once("zone ids", row.instance_type, fmt::format("and others have zones by their ids ({}), which every account names otherwise: prices are the region's, spot that of the cheapest zone", row.zone));
        const auto [found, is_new] = m_of_zone_ids.try_emplace({row.instance_type, row.region}, m_list.rows.size());
        row.zone.clear();
        if (!is_new) {
            PriceRow& before = m_list.rows[found->second];
            if (!before.spot || (row.spot && *row.spot < *before.spot)) before.spot = row.spot;
            if (!before.on_demand) before.on_demand = row.on_demand;
            return;
        }
    }
    if (row.gpu_count == 0 && row.gpu.empty()) m_bare.push_back(m_list.rows.size());
    m_list.rows.push_back(std::move(row));
    m_lines.push_back(m_line);
}

void PriceGatherer::add_apart(PriceRow row) {
    if (row.cloud.empty()) row.cloud = cloud_of_file(m_name);
    m_apart.push_back({std::move(row), m_line});
}

/// SkyPilot's catalogue of Google Cloud has a machine's cores and RAM in one row, and its GPUs, which are sold apart, in
/// another without a machine (catalogs/v5 to v8, gcp/vms.csv [from general knowledge, not re-read, 2026-11]).
void PriceGatherer::join_apart() {
    std::set<std::size_t> used, without;
    for (const std::size_t number : m_apart.empty() ? std::vector<std::size_t>() : m_bare) {
        PriceRow& row = m_list.rows[number];
        const InstanceType* type = find_type(row);
        if (type == nullptr || type->gpu_count == 0) continue;
        const auto fits = [&](const Apart& a) {
            return (a.row.cloud.empty() || a.row.cloud == row.cloud) && a.row.zone == row.zone && a.row.region == row.region && is_same_card(a.row.gpu, type->gpu) && (a.row.gpu_count == type->gpu_count || a.row.gpu_count == 1);
        };
        auto found = m_apart.end();
        for (auto a = m_apart.begin(); a != m_apart.end(); ++a)
            if (fits(*a) && (found == m_apart.end() || a->row.gpu_count == type->gpu_count)) found = a;
        if (found == m_apart.end()) {
            without.insert(number);
            m_line = m_lines[number];
            leave_out("without " + type->gpu, row.instance_type, fmt::format("stands without its GPUs, which the list sells apart, and has no price of {} in {}: left out", type->gpu, row.zone.empty() ? row.region : row.zone));
            continue;
        }
        used.insert(static_cast<std::size_t>(found - m_apart.begin()));
        const double times = type->gpu_count / found->row.gpu_count;
        for (auto price : {&PriceRow::on_demand, &PriceRow::spot, &PriceRow::committed}) {
            const auto& cards = found->row.*price;
            if ((row.*price).has_value() && cards)
                *(row.*price) += std::llround(static_cast<double>(*cards) * times);
            else
                row.*price = std::nullopt;
        }
        m_line = m_lines[number];
        say_once("joined", row.instance_type, "and others stand without their GPUs, which the list sells apart: prices are the sums of both");
    }
    for (std::size_t i = 0; i < m_apart.size(); ++i) {
        m_line = m_apart[i].line;
        if (!used.contains(i)) leave_out("no machine", "instancetype", "stands without an instance type, as accelerators that are sold apart do: left out");
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < m_list.rows.size(); ++i) {
        if (without.contains(i)) continue;
        if (kept != i) m_list.rows[kept] = std::move(m_list.rows[i]);
        m_lines[kept++] = m_lines[i];
    }
    m_list.rows.resize(kept);
}

/// What a list leaves unsaid of machines that the catalogue has, by machine.
void PriceGatherer::fill(PriceRow& row) {
    const InstanceType* type = find_type(row);
    if (type == nullptr) return;
    std::string filled;
    const auto take = [&](double& into, double known, const char* what) {
        if (into > 0 || known <= 0) return;
        into = known;
        filled += (filled.empty() ? "" : ", ") + std::string(what);
    };
    const bool counted = row.gpu_count > 0;
    take(row.gpu_count, type->gpu_count, "GPUs");
    if ((row.gpu.empty() || !get_gpu(row.gpu)) && !type->gpu.empty() && row.gpu_count == type->gpu_count) {
        if (counted) filled += (filled.empty() ? "" : ", ") + std::string("the kind of GPU");
        row.gpu = type->gpu;
    }
    take(row.vcpus, type->vcpus, "vCPUs");
    take(row.memory_gib, type->memory_gib, "memory");
    if (!filled.empty()) m_filled[filled].insert(row.instance_type);
}

/// Of rows of one machine in one place the latest holds, of those without a date the last.
void PriceGatherer::keep_one_of_each() {
    std::map<std::tuple<std::string, std::string, std::string, std::string>, std::size_t> held;
    std::vector<PriceRow> rows;
    for (std::size_t i = 0; i < m_list.rows.size(); ++i) {
        PriceRow& row = m_list.rows[i];
        m_line = m_lines[i];
        const auto [found, is_new] = held.try_emplace({row.cloud, folded_name(row.instance_type), row.region, row.zone}, rows.size());
        if (is_new) {
            rows.push_back(std::move(row));
            continue;
        }
        PriceRow& before = rows[found->second];
        if (row.date < before.date) continue;
        const bool other = row.on_demand != before.on_demand || row.spot != before.spot || row.committed != before.committed;
        if (other && row.date == before.date) {
            // What one row says of on demand and another of spot are not two prices of one thing.
            bool contradicts = false;
            for (auto price : {&PriceRow::on_demand, &PriceRow::spot, &PriceRow::committed}) {
                contradicts = contradicts || (row.*price && before.*price && row.*price != before.*price);
                if (!(row.*price)) row.*price = before.*price;
            }
            if (contradicts)
                leave_out("twice", row.instance_type, fmt::format("stands twice in {} at different prices ({} and {} USD per hour): the last holds", row.zone.empty() ? row.region : row.zone,
                                                                  shown_usd(before.on_demand ? before.on_demand : before.spot), shown_usd(row.on_demand ? row.on_demand : row.spot)));
        }
        before = std::move(row);
    }
    m_list.rows = std::move(rows);
}

void PriceGatherer::set(const PriceRow& facts, PriceWay way, std::int64_t nano_usd, const std::string& since) {
    const Place place{facts.instance_type, facts.zone, facts.region};
    const auto [found, is_new] = m_latest.try_emplace({place, way}, since);
    if (!is_new && since < found->second) return;
    found->second = since;
    PriceRow& row = m_rows[place];
    if (row.instance_type.empty()) {
        row = facts;
        row.on_demand = row.spot = row.committed = std::nullopt;
        if (row.cloud.empty()) row.cloud = cloud_of_type(row.instance_type);
        describe(row);
    }
    row.date = std::max(row.date, since.substr(0, 10));
    (way == PriceWay::spot ? row.spot : way == PriceWay::committed ? row.committed : row.on_demand) = nano_usd;
}

/// What lists get wrong is said, once for each kind and type.
void PriceGatherer::settle(PriceRow& row) {
    const auto say = [&](const std::string& kind, const std::string& message) {
        if (m_said.insert(kind + row.instance_type).second) warn(row.instance_type, message);
    };
    std::string card = row.gpu;
    if (const auto known = get_gpu(card); known && !card.empty()) {
        const double card_gib = static_cast<double>(known->gpu.memory_bytes) / gib;
        // Some lists give the memory of all cards together, or in MiB.
        if (row.gpu_memory_gib > 0 && (row.gpu_memory_gib > 1.5 * card_gib || row.gpu_memory_gib < card_gib / 1.5) && row.gpu_count >= 1) {
            say("memory", fmt::format("says {:g} GiB of GPU memory, but a {} has {:.0f} GiB{}: the GPU's own is taken", row.gpu_memory_gib, known->gpu.name, card_gib,
                                      std::abs(row.gpu_memory_gib / row.gpu_count / card_gib - 1) < 0.25 ? " (it is the sum over its GPUs)"
                                      : std::abs(row.gpu_memory_gib / 1024 / card_gib - 1) < 0.25       ? " (it is in MiB)"
                                                                                                   : ""));
            row.gpu_memory_gib = 0;
        }
        row.gpu = known->gpu.name;
    }
    const InstanceType* type = find_type(row);
    if (type != nullptr && type->gpu_count > 0 && row.gpu_count > 0 && row.gpu_count != type->gpu_count)
        say("GPUs", fmt::format("says {:g} GPUs, but it has {}: the catalogue's are what nodes have", row.gpu_count, type->gpu_count));
    if (type != nullptr && row.on_demand && !type->prices.empty()) {
        // A price of a month, or in cents, is far from every region's.
        const auto [least, most] = std::minmax_element(type->prices.begin(), type->prices.end(), [](const auto& a, const auto& b) { return a.second.on_demand < b.second.on_demand; });
        const double nano = static_cast<double>(*row.on_demand);
        if (nano > 10'000.0 * static_cast<double>(most->second.on_demand) || nano < 100.0 * static_cast<double>(least->second.on_demand))
            say("far", fmt::format("costs {} USD per hour, where the catalogue has {:g}: is it the price of an hour, of the whole machine, in USD?", shown_usd(row.on_demand), static_cast<double>(least->second.on_demand) / 1e6));
    }
    // "A100-80GB" is of either form: the catalogue knows which one a machine of its own has.
    if (type && row.gpu_count == type->gpu_count && !type->gpu.empty() && get_gpu(row.gpu) && row.gpu != type->gpu) {
        const auto own_card = get_gpu(type->gpu), said = get_gpu(row.gpu);
        if (own_card && own_card->gpu.memory_bytes == said->gpu.memory_bytes) row.gpu = type->gpu;
    }
    // Nothing that is rented has more (u-24tb1.112xlarge has 24 TiB; EC2 documentation, 2025).
    constexpr double most_gib = 32'768;
    const double own = type ? type->memory_gib : 0;
    if (row.memory_gib > most_gib || (own > 0 && (row.memory_gib > 1.5 * own || row.memory_gib < own / 1.5) && row.memory_gib > 0)) {
        const bool mib = std::abs(row.memory_gib / 1024 / own - 1) < 0.25;
        say("RAM", fmt::format("says {:g} GiB of memory{}{}", row.memory_gib, own > 0 ? fmt::format(", but it has {:g}", own) : std::string(", which no machine has"),
                               mib ? " (it is in MiB)" : "") + (own > 0 ? ": the catalogue's is taken" : ": it is taken as not said"));
        row.memory_gib = own;
    }
    if (row.gpu_count > 0 && row.gpu_count != std::floor(row.gpu_count))
        say("part", fmt::format("has {:g} of a GPU: a part of a card, which nodes of this simulator do not have", row.gpu_count));
    if (row.spot && *row.spot == 0 && row.on_demand.value_or(0) > 0) {
        say("free", "costs 0 on spot: it is taken as not offered there");
        row.spot = std::nullopt;
    }
    if (row.spot && row.on_demand && *row.spot > *row.on_demand)
        say("saving", fmt::format("costs more on spot ({:g} USD per hour) than on demand ({:g})", static_cast<double>(*row.spot) / 1e9, static_cast<double>(*row.on_demand) / 1e9));
}

Result<PriceList> PriceGatherer::finish(const std::string& path, const std::string& wanted) {
    if (!m_problems.empty()) return m_problems;
    join_apart();
    for (std::size_t i = 0; i < m_list.rows.size(); ++i) {
        m_line = m_lines[i];
        fill(m_list.rows[i]);
        settle(m_list.rows[i]);
    }
    keep_one_of_each();
    m_line = 0;
    for (auto& [place, row] : m_rows) {
        settle(row);
        m_list.rows.push_back(std::move(row));
    }
    for (const auto& [what, types] : m_filled) {
        std::vector<std::string> first(types.begin(), types.end());
        if (first.size() > 3) first.resize(3);
        warn("", fmt::format("does not say {} of {}{}: the catalogue's are taken", what, fmt::join(first, ", "), types.size() > 3 ? fmt::format(" and {} more types", types.size() - 3) : std::string()));
    }
    if (m_list.rows.empty() && !m_foreign.empty())
        return problem(path, fmt::format("has prices in {} alone, allowed: USD (convert them)", fmt::join(m_foreign, ", ")));
    std::string first_warning;
    if (!m_list.warnings.empty()) {
        const Problem& first = m_list.warnings.front();
        first_warning = fmt::format(" ({}{}{})", first.path, first.path.empty() ? "" : " ", first.message);
    }
    if (m_list.rows.empty())
        return problem(path, "found no machine's price" + first_warning + ", allowed: " + wanted);
    m_list.source = m_name;
    return std::move(m_list);
}

}  // namespace windtunnel
