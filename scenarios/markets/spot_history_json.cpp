#include "scenarios/markets/spot_history_json.hpp"

#include "models/time.hpp"
#include "scenarios/documents/json_values.hpp"
#include "scenarios/documents/quantity.hpp"
#include "scenarios/traces/trace_time.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace windtunnel {
namespace {

using Json = nlohmann::ordered_json;

/// Names under which files keep their samples, and what a 1 means there; `data` does not say.
struct SampleKey {
    const char* name;
    std::optional<bool> ones_are_available;
};
const SampleKey sample_keys[] = {{"data", {}},          {"availability", true}, {"available", true},
                                 {"capacity", true},    {"preempted", false},   {"preemptions", false},
                                 {"preemption", false}, {"interrupted", false}};
const char* const step_keys[] = {"gap_seconds", "step_s", "step_seconds", "interval_s", "interval_seconds"};

class AvailabilityReader {
public:
    AvailabilityReader(const Json& root, std::string name, const SpotReadOptions& options)
        : m_root(root),
          m_name(std::move(name)),
          m_options(options),
          m_step(options.step_s),
          m_ones(options.ones_are_available) {}

    Result<SpotHistory> read() {
        m_out.format = SpotFormat::availability;
        const Json* samples = &m_root;
        std::string path;
        if (m_root.is_object()) {
            note_metadata(m_root);
            for (const SampleKey& key : sample_keys)
                if (m_root.contains(key.name)) {
                    samples = &m_root[key.name];
                    path = key.name;
                    if (!m_ones) m_ones = key.ones_are_available;
                }
        }
        if (samples->is_array() && !samples->empty() && !samples->front().is_array() &&
            !samples->front().is_object())
            add(path, *samples, m_zone);
        else if (samples->is_array() || samples->is_object())
            add_zones(*samples, path);
        if (!m_problems.empty()) return m_problems;
        if (m_samples.empty())
            return Problem{
                {m_name, 0, 0}, path, "found no samples, allowed: an array of numbers, or one for each zone"};
        return finish();
    }

private:
    void wrong(const std::string& path, const std::string& message) {
        m_problems.push_back({{m_name, 0, 0}, path, message});
    }

    /// Step, polarity, zone and type, as far as they are said beside the samples or under `metadata`.
    void note_metadata(const Json& from) {
        for (const Json* at : {&from, from.contains("metadata") ? &from["metadata"] : nullptr}) {
            if (at == nullptr || !at->is_object()) continue;
            for (const char* key : step_keys)
                if (at->contains(key) && (*at)[key].is_number() && !m_options.step_s)
                    m_step = (*at)[key].get<double>();
            for (const char* key : {"polarity", "ones"}) {
                if (!at->contains(key) || m_options.ones_are_available) continue;
                const std::string says = (*at)[key].is_string() ? (*at)[key].get<std::string>() : "";
                if (says == "available" || says == "availability")
                    m_ones = true;
                else if (says == "preempted" || says == "preemption" || says == "unavailable")
                    m_ones = false;
                else
                    wrong(key, fmt::format("found {}, allowed: available or preempted", (*at)[key].dump()));
            }
            if (at->contains("zone") && (*at)["zone"].is_string()) m_zone = (*at)["zone"];
            if (at->contains("instance_type") && (*at)["instance_type"].is_string())
                m_type = (*at)["instance_type"];
        }
    }

    void add_zones(const Json& zones, const std::string& path) {
        std::size_t number = 0;
        for (const auto& [key, value] : zones.items()) {
            const std::string zone = zones.is_object() ? key : fmt::format("zone{}", number);
            const std::string at = zones.is_object() ? (path.empty() ? key : path + "." + key)
                                                     : fmt::format("{}[{}]", path, number);
            ++number;
            if (value.is_array()) {
                add(at, value, zone);
            } else if (value.is_object() && value.contains("data")) {
                note_metadata(value);
                add(at + ".data", value["data"], zone);
            } else if (value.is_object() && key != "metadata") {
                for (const SampleKey& k : sample_keys)
                    if (value.contains(k.name)) {
                        if (!m_ones) m_ones = k.ones_are_available;
                        add(at + "." + k.name, value[k.name], zone);
                    }
            }
        }
    }

    void add(const std::string& path, const Json& samples, const std::string& zone) {
        std::vector<std::int64_t> values;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            const Json& v = samples[i];
            const double number = v.is_boolean()              ? (v.get<bool>() ? 1 : 0)
                                  : v.is_number()             ? v.get<double>()
                                  : v == "0" || v == "1"      ? (v == "1" ? 1 : 0)
                                                              : -1;
            if (number < 0 || number != std::floor(number) || number > 1e6)
                return wrong(fmt::format("{}[{}]", path, i),
                             fmt::format("found {}, allowed: a number of nodes, or 0 and 1", v.dump()));
            values.push_back(static_cast<std::int64_t>(number));
            m_most = std::max(m_most, values.back());
        }
        m_samples.push_back({zone, std::move(values)});
    }

    Result<SpotHistory> finish() {
        if (!m_step || !(*m_step > 0 && *m_step < 1e7))
            return Problem{{m_name, 0, 0},
                           "metadata.gap_seconds",
                           "says not how far its samples are apart, so that its clock cannot be told; write "
                           "gap_seconds into the "
                           "file's metadata, or say --step SECONDS (in a scenario: step_s)"};
        if (m_most > 1 && m_ones == false)
            return Problem{
                {m_name, 0, 0},
                "",
                fmt::format("has a sample of {} among what is said to be preemptions, allowed: 0 and 1",
                            m_most)};
        if (m_most <= 1 && !m_ones)
            return Problem{{m_name, 0, 0},
                           "metadata.polarity",
                           "has samples of 0 and 1 and says not which of both is capacity; write polarity: "
                           "available or preempted into "
                           "the file's metadata, or say --ones available|preempted (in a scenario: ones)"};
        std::size_t least = m_samples.front().values.size(), longest = least;
        for (const Zone& z : m_samples) {
            least = std::min(least, z.values.size());
            longest = std::max(longest, z.values.size());
        }
        if (longest == 0) return Problem{{m_name, 0, 0}, "", "found no samples, allowed: at least one"};
        if (least != longest)
            m_out.warnings.push_back(
                {{m_name, 0, 0},
                 "",
                 fmt::format(
                     "has arrays of {} to {} samples: each zone counts over its own, the span is the longest",
                     least, longest)});
        for (const Zone& z : m_samples) {
            SpotMarketRecord market;
            market.instance_type = m_type;
            market.zone = z.name;
            std::vector<std::uint32_t> there;
            for (std::size_t i = 0; i < z.values.size(); ++i)
                set_count(market, there, m_ones == false ? 1 - z.values[i] : z.values[i], at(i));
            market.to_ms = at(z.values.size());
            m_out.markets.push_back(std::move(market));
        }
        m_out.span_ms = at(longest);
        return std::move(m_out);
    }
    [[nodiscard]] std::int64_t at(std::size_t sample) const {
        return std::llround(static_cast<double>(sample) * *m_step * 1000);
    }

    struct Zone {
        std::string name;
        std::vector<std::int64_t> values;
    };
    const Json& m_root;
    std::string m_name;
    SpotReadOptions m_options;
    std::optional<double> m_step;
    std::optional<bool> m_ones;
    std::string m_zone, m_type;
    std::int64_t m_most = 0;
    std::vector<Zone> m_samples;
    SpotHistory m_out;
    Problems m_problems;
};

bool read_time(const Json& entry, const char* key, std::int64_t& ms) {
    if (!entry.contains(key) || !(entry[key].is_string() || entry[key].is_number())) return false;
    const auto at = SpotClock{"timestamp"}.ms_of(entry[key].is_string() ? entry[key].get<std::string>() : entry[key].dump());
    ms = at.value_or(0);
    return at.has_value();
}

/// What `aws ec2 describe-spot-price-history` prints: its prices are text, and the entry that holds at the window's
/// start is older than the window.
Problems add_prices(const Json& entries, const std::string& name, SpotPriceSeries& out) {
    std::size_t number = 0;
    for (const Json& entry : entries) {
        const std::string path = fmt::format("SpotPriceHistory[{}]", number++);
        const auto wrong = [&](const std::string& key, const std::string& allowed) {
            return Problem{
                {name, 0, 0},
                path + "." + key,
                fmt::format("found {}, allowed: {}",
                            entry.is_object() && entry.contains(key) ? entry[key].dump() : "none", allowed)};
        };
        std::int64_t at_ms = 0;
        if (!entry.is_object() || !read_time(entry, "Timestamp", at_ms)) return {wrong("Timestamp", spot_clock_allowed)};
        const Json price = entry.value("SpotPrice", Json());
        const auto nano = parse_nano_usd(price.is_string()   ? price.get<std::string>()
                                         : price.is_number() ? price.dump()
                                                             : "");
        if (!nano || *nano < 0) return {wrong("SpotPrice", "USD per hour")};
        const auto text = [&](const char* key) {
            return entry.contains(key) && entry[key].is_string() ? entry[key].get<std::string>() : "";
        };
        out.add(text("InstanceType"), text("AvailabilityZone"), text("ProductDescription"), at_ms, *nano);
    }
    return {};
}

/// One document, an array of pages, or of entries.
bool is_price_page(const Json& root) { return root.is_object() && root.contains("SpotPriceHistory") && root["SpotPriceHistory"].is_array(); }
bool is_price_entry(const Json& root) { return root.is_object() && root.contains("SpotPrice") && root.contains("Timestamp"); }

Result<SpotHistory> read_price_history(const Json& parts, const std::string& name) {
    SpotPriceSeries series;
    for (const Json& part : parts)
        if (const Problems problems = add_prices(is_price_page(part) ? part["SpotPriceHistory"] : Json::array({part}), name, series); !problems.empty()) return problems;
    return series.finish(name);
}

/// VM name -> instance data, lifetime, and what ended it: the cloud, or its owner.
Result<SpotHistory> read_lifetimes(const Json& root, const std::string& name) {
    SpotHistory out;
    out.format = SpotFormat::lifetimes;
    out.names_nodes = true;
    struct Life {
        std::int64_t from, to;
        bool taken;
    };
    std::map<std::pair<std::string, std::string>, std::vector<Life>> lives;
    std::int64_t first = INT64_MAX, last = INT64_MIN;
    for (const auto& [vm, entry] : root.items()) {
        Life life{};
        if (!entry.is_object() || !entry.contains("time_in_sec") || !entry["time_in_sec"].is_number() ||
            entry["time_in_sec"].get<double>() < 0)
            return Problem{
                {name, 0, 0}, vm + ".time_in_sec", "found no lifetime, allowed: seconds of at least 0"};
        if (!entry.contains("insert") || !read_time(entry["insert"], "insertTime", life.from))
            return Problem{{name, 0, 0},
                           vm + ".insert.insertTime",
                           "found no time, allowed: when the machine was asked for"};
        life.to = life.from + std::llround(entry["time_in_sec"].get<double>() * 1000);
        life.taken = entry.contains("compute.instances.preempted");
        const Json data = entry.value("instance_data", Json::object());
        lives[{data.value("MACHINE_TYPE", ""), data.value("ZONE", "")}].push_back(life);
        first = std::min(first, life.from);
        last = std::max(last, life.to);
    }
    out.start_unix_ms = first;
    out.span_ms = last - first;
    for (auto& [key, all] : lives) {
        SpotMarketRecord market;
        market.instance_type = key.first;
        market.zone = key.second;
        market.to_ms = out.span_ms;
        for (const Life& life : all) {
            market.changes.push_back({life.from - first, 1, market.nodes, true});
            market.changes.push_back({life.to - first, -1, market.nodes++, life.taken});
        }
        std::stable_sort(market.changes.begin(), market.changes.end(),
                         [](const SpotNodeChange& a, const SpotNodeChange& b) { return a.at_ms < b.at_ms; });
        out.markets.push_back(std::move(market));
    }
    return out;
}

}  // namespace

Result<SpotHistory> read_spot_json(std::string document, const std::string& name,
                                   const SpotReadOptions& options) {
    Result<std::vector<JsonValue>> values = json_values(std::move(document), name, "a spot history");
    if (!values) return values.take_problems();
    Json root = Json::array();
    for (JsonValue& value : *values) root.push_back(std::move(value.json));
    if (root.size() == 1) root = Json(std::move(root[0]));
    if (root.is_object()) {
        if (is_price_page(root)) {
            SpotPriceSeries series;
            if (const Problems problems = add_prices(root["SpotPriceHistory"], name, series); !problems.empty()) return problems;
            return series.finish(name);
        }
        if (root.contains("spot_advisor"))
            return Problem{{name, 0, 0},
                           "spot_advisor",
                           "holds interruption bands and no history, allowed: a recorded market"};
        if (!root.empty() && root.front().is_object() && root.front().contains("time_in_sec"))
            return read_lifetimes(root, name);
    } else if (root.is_array() && !root.empty() && std::all_of(root.begin(), root.end(), [](const Json& part) { return is_price_page(part) || is_price_entry(part); })) {
        return read_price_history(root, name);
    }
    return AvailabilityReader(root, name, options).read();
}

void SpotPriceSeries::add(const std::string& type, const std::string& zone, const std::string& product, std::int64_t at_ms, std::int64_t nano_usd_per_hour) {
    m_products.insert(product);
    m_series[{type, zone}].push_back({at_ms, nano_usd_per_hour});
    m_first = std::min(m_first, at_ms);
    m_last = std::max(m_last, at_ms);
}

Result<SpotHistory> SpotPriceSeries::finish(const std::string& name) {
    if (m_series.empty()) return Problem{{name, 0, 0}, "SpotPriceHistory", "found no prices, allowed: at least one"};
    if (m_products.size() > 1)
        return Problem{{name, 0, 0},
                       "SpotPriceHistory",
                       "mixes products, of which each has its own price, allowed: one ProductDescription "
                       "(--product-descriptions Linux/UNIX)"};
    SpotHistory out;
    out.format = SpotFormat::price_history;
    out.start_unix_ms = m_first;
    out.span_ms = m_last - m_first;
    for (auto& [market, points] : m_series) {
        std::stable_sort(points.begin(), points.end(),
                         [](const SpotPricePoint& a, const SpotPricePoint& b) { return a.at_ms < b.at_ms; });
        for (SpotPricePoint& p : points) p.at_ms -= m_first;
        out.prices.push_back({market.first, market.second, std::move(points)});
    }
    return out;
}

}  // namespace windtunnel
