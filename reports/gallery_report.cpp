#include "reports/gallery_report.hpp"

#include "reports/human.hpp"
#include "scenarios/documents/suggest.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

/// Every number (or statistic of nothing) of a results document, by its path.
void list_numbers(const Json& at, const std::string& path, std::vector<std::string>& out) {
    if (at.is_object())
        for (const auto& [key, value] : at.items()) list_numbers(value, path.empty() ? key : path + "." + key, out);
    else if (!at.is_array())
        out.push_back(path);
}

/// Keys hold dots themselves (`p99.9_ttft_ms`): the longest key that fits comes first.
const Json* find_path(const Json& at, const std::string& path) {
    if (at.is_array()) {  // by their number: "alerts.0.fired"
        const std::size_t dot = path.find('.'), digits = path.find_first_not_of("0123456789");
        if (digits == 0 || digits != dot) return nullptr;
        const std::size_t index = std::stoul(path.substr(0, std::min<std::size_t>(dot, 6)));
        return index < at.size() && dot != std::string::npos ? find_path(at[index], path.substr(dot + 1)) : nullptr;
    }
    if (!at.is_object()) return nullptr;
    if (const auto whole = at.find(path); whole != at.end()) return &*whole;
    for (std::size_t dot = path.rfind('.'); dot != std::string::npos && dot > 0; dot = path.rfind('.', dot - 1)) {
        const auto member = at.find(path.substr(0, dot));
        if (member != at.end())
            if (const Json* found = find_path(*member, path.substr(dot + 1))) return found;
    }
    return nullptr;
}

bool ends_with(const std::string& text, std::string_view end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// A number in the unit that its key names.
std::string spoken(const std::string& path, const Json& value) {
    if (value.is_null()) return "–";
    std::optional<double> number;
    if (value.is_number()) number = value.get<double>();
    if (value.is_string()) try {
            number = std::stod(value.get<std::string>());
        } catch (const std::exception&) {
            return value.get<std::string>();
        }
    if (!number) return value.dump();
    if (path.find("usd") != std::string::npos) return "$" + short_usd(*number);
    if (ends_with(path, "_ms")) return short_milliseconds(number);
    if (ends_with(path, "_s")) return short_milliseconds(*number * 1000);
    if (ends_with(path, "_ratio") || ends_with(path, "_share")) return short_percent(number);
    if (value.is_number_integer()) return thousands(value.get<std::int64_t>());
    return short_number(number);
}

}  // namespace

Result<GalleryComparison> compare_variants(const GalleryRow& row, const std::vector<Json>& results) {
    GalleryComparison out{row, {}, {}};
    Problems problems;
    for (const GalleryMetric& metric : row.metrics) {
        std::vector<std::string> spoken_values, json_values;
        for (const Json& document : results) {
            const Json* value = find_path(document, metric.path);
            if (value == nullptr || value->is_object() || value->is_array()) {
                std::vector<std::string> known;
                list_numbers(document, "", known);
                problems.push_back({{(std::filesystem::path(row.name) / "gallery.yaml").string(), 0, 0},
                                    "metrics",
                                    "found the path " + metric.path + ", which no result has" +
                                        did_you_mean(metric.path, known)});
                break;
            }
            spoken_values.push_back(spoken(metric.path, *value));
            json_values.push_back(value->dump());
        }
        out.values.push_back(std::move(spoken_values));
        out.json.push_back(std::move(json_values));
    }
    if (!problems.empty()) return problems;
    return out;
}

std::string gallery_table(const GalleryComparison& c, std::size_t width) {
    const GalleryRow& row = c.row;
    std::size_t labels = 0;
    for (const GalleryMetric& m : row.metrics) labels = std::max(labels, display_width(m.label));
    std::string out = row.name + ": " + wrapped(row.about, width, row.name.size() + 2) + "\n\n";
    std::vector<std::size_t> columns;
    for (std::size_t v = 0; v < row.variants.size(); ++v) {
        std::size_t widest = display_width(row.variants[v].label);
        for (const auto& values : c.values) widest = std::max(widest, display_width(values[v]));
        columns.push_back(widest + 3);
    }
    out += std::string(labels + 1, ' ');
    for (std::size_t v = 0; v < columns.size(); ++v) out += padded_left(row.variants[v].label, columns[v]);
    out += "\n";
    for (std::size_t m = 0; m < row.metrics.size(); ++m) {
        out += " " + padded_right(row.metrics[m].label, labels);
        for (std::size_t v = 0; v < columns.size(); ++v) out += padded_left(c.values[m][v], columns[v]);
        out += "\n";
    }
    if (!row.look_at.empty()) out += "\nLook at " + wrapped(row.look_at, width, 8) + "\n";
    return out;
}

std::string gallery_json(const GalleryComparison& c) {
    Json variants = Json::array();
    for (std::size_t v = 0; v < c.row.variants.size(); ++v) {
        Json metrics = Json::object();
        for (std::size_t m = 0; m < c.row.metrics.size(); ++m)
            metrics[c.row.metrics[m].path] = Json::parse(c.json[m][v]);
        variants.push_back(Json{{"label", c.row.variants[v].label},
                                {"scenario", std::filesystem::path(c.row.variants[v].file).filename().string()},
                                {"metrics", std::move(metrics)}});
    }
    return Json{{"schema", "windtunnel.gallery/v1"},
                {"name", c.row.name},
                {"about", c.row.about},
                {"look_at", c.row.look_at},
                {"variants", std::move(variants)}}
               .dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
           "\n";
}

std::string gallery_list(const std::vector<GalleryRow>& rows, std::size_t width) {
    std::size_t names = 0;
    for (const GalleryRow& row : rows) names = std::max(names, row.name.size());
    std::string out;
    for (const GalleryRow& row : rows) out += padded_right(row.name, names + 2) + wrapped(row.about, width, names + 2) + "\n";
    return out;
}

std::string gallery_list_json(const std::vector<GalleryRow>& rows) {
    Json out = Json::array();
    for (const GalleryRow& row : rows) {
        Json variants = Json::array();
        for (const GalleryVariant& v : row.variants)
            variants.push_back(Json{{"label", v.label}, {"scenario", std::filesystem::path(v.file).filename().string()}});
        out.push_back(Json{{"name", row.name}, {"about", row.about}, {"variants", std::move(variants)}});
    }
    return Json{{"schema", "windtunnel.gallery_list/v1"}, {"rows", std::move(out)}}.dump(2) + "\n";
}

}  // namespace windtunnel
