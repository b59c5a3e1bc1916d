#include "models/gpu_catalog.hpp"
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

/// "1,234.5" and "1,234" with thousands' commas, "0,8048" with a decimal one.
std::string without_commas(std::string_view text) {
    std::string out(text);
    const std::size_t comma = out.find(',');
    if (comma == std::string::npos) return out;
    const bool one = out.find(',', comma + 1) == std::string::npos, dotted = out.find('.') != std::string::npos;
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

/// What the catalogue knows of a machine whose list gives prices alone.
void describe(PriceRow& row) {
    const auto known = row.cloud.empty() ? Result<const InstanceType*>(Problem{}) : get_instance_type(row.cloud, row.instance_type);
    if (!known) return;
    row.gpu = (*known)->gpu;
    row.gpu_count = (*known)->gpu_count;
    row.vcpus = (*known)->vcpus;
    row.memory_gib = (*known)->memory_gib;
}

}  // namespace

const std::string& price_list_formats() {
    static const std::string text =
        "SkyPilot's catalogue (InstanceType,Price,SpotPrice,Region), Karpenter's prices (JSON, Go), AWS's price list or spot price history, "
        "Azure's retail prices, a FOCUS export, AWS's cost and usage report, ec2instances.info, or CSV with instance_type, region, price_usd_per_hour";
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

void PriceGatherer::add(PriceRow row) {
    if (row.cloud.empty()) row.cloud = cloud_of_file(m_name);
    if (row.cloud.empty())
        if (const auto& clouds = clouds_of(row.instance_type); clouds.size() == 1) row.cloud = clouds.front();
    settle(row);
    m_list.rows.push_back(std::move(row));
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
        if (row.cloud.empty())
            if (const auto& clouds = clouds_of(row.instance_type); clouds.size() == 1) row.cloud = clouds.front();
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
        const double gib = static_cast<double>(known->gpu.memory_bytes) / 1073741824.0;
        // Some lists give the memory of all cards together, or in MiB.
        if (row.gpu_memory_gib > 0 && (row.gpu_memory_gib > 1.5 * gib || row.gpu_memory_gib < gib / 1.5) && row.gpu_count >= 1) {
            say("memory", fmt::format("says {:g} GiB of GPU memory, but a {} has {:.0f} GiB{}: the GPU's own is taken", row.gpu_memory_gib, known->gpu.name, gib,
                                      std::abs(row.gpu_memory_gib / row.gpu_count / gib - 1) < 0.25 ? " (it is the sum over its GPUs)"
                                      : std::abs(row.gpu_memory_gib / 1024 / gib - 1) < 0.25       ? " (it is in MiB)"
                                                                                                   : ""));
            row.gpu_memory_gib = 0;
        }
        row.gpu = known->gpu.name;
    }
    const auto type = row.cloud.empty() ? Result<const InstanceType*>(Problem{}) : get_instance_type(row.cloud, row.instance_type);
    // "A100-80GB" is of either form: the catalogue knows which one a machine of its own has.
    if (type && row.gpu_count == (*type)->gpu_count && !(*type)->gpu.empty() && get_gpu(row.gpu) && row.gpu != (*type)->gpu) {
        const auto own_card = get_gpu((*type)->gpu), said = get_gpu(row.gpu);
        if (own_card && own_card->gpu.memory_bytes == said->gpu.memory_bytes) row.gpu = (*type)->gpu;
    }
    // Nothing that is rented has more (u-24tb1.112xlarge has 24 TiB; EC2 documentation, 2025).
    constexpr double most_gib = 32'768;
    const double own = type ? (*type)->memory_gib : 0;
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
    for (auto& [place, row] : m_rows) {
        settle(row);
        m_list.rows.push_back(std::move(row));
    }
    m_line = 0;
    if (m_list.rows.empty() && !m_foreign.empty())
        return problem(path, fmt::format("has prices in {} alone, allowed: USD (convert them)", fmt::join(m_foreign, ", ")));
    if (m_list.rows.empty())
        return problem(path, "found no machine's price" + (m_list.warnings.empty() ? "" : " (" + m_list.warnings.front().message + ")") + ", allowed: " + wanted);
    m_list.source = m_name;
    return std::move(m_list);
}

}  // namespace windtunnel
