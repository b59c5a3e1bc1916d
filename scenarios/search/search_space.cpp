#include "scenarios/search/search_space.hpp"

#include "scenarios/documents/assignment.hpp"
#include "scenarios/documents/document.hpp"
#include "scenarios/documents/suggest.hpp"
#include "scenarios/documents/text_input.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

namespace windtunnel {

namespace {

/// Values of one dimension: more is a slip, not a wish.
constexpr std::size_t most_values = 10'000;

struct Number {
    double value = 0;
    std::string unit;
    bool whole = false;
};

/// "8", "0.5", "30s", "80%".
std::optional<Number> number_of(std::string_view text) {
    Number out;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.value);
    if (error != std::errc{} || end == text.data() || !std::isfinite(out.value)) return std::nullopt;
    const std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.data()));
    out.unit = std::string(text.substr(digits.size()));
    const auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '%';
    };
    if (!std::all_of(out.unit.begin(), out.unit.end(), is_letter)) return std::nullopt;
    out.whole = digits.find_first_of(".eE") == std::string_view::npos;
    return out;
}

std::string written(double value, const std::string& unit) {
    // A step's sum may end in 0.30000000000000004: twelve digits are more than anyone varies.
    return fmt::format("{:.12g}{}", value, unit);
}

/// At `separator` outside brackets, braces and quotes.
std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> out(1);
    int depth = 0;
    char quote = 0;
    for (const char c : text) {
        if (quote != 0) {
            if (c == quote) quote = 0;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '[' || c == '{') {
            ++depth;
        } else if (c == ']' || c == '}') {
            --depth;
        }
        if (c == separator && depth == 0 && quote == 0)
            out.emplace_back();
        else
            out.back() += c;
    }
    return out;
}

Problem wrong(const std::string& text, const std::string& message) { return {{}, text, message}; }

/// What a list's item may be in place of values: several of them, or an interval.
struct Ranges {
    std::vector<std::string> values;
    std::optional<ValueRange> interval;
};

Result<Ranges> stepped(const std::string& text, const std::vector<std::string>& parts) {
    const auto low = number_of(parts[0]), high = number_of(parts[1]);
    const bool ratio = parts.size() == 3 && parts[2].starts_with('*');
    const auto step = parts.size() < 3 ? Number{1, low->unit, true}
                                       : number_of(ratio ? parts[2].substr(1) : parts[2]).value_or(Number{});
    if (low->unit != high->unit || (!ratio && step.unit != low->unit && !step.unit.empty()))
        return wrong(text, "found ends and step in different units, allowed: one unit, such as 30s:120s:30s");
    if (!(low->value <= high->value) || (ratio ? !(step.value > 1 && low->value > 0) : !(step.value > 0)))
        return wrong(text, "found \"" + text +
                               "\", allowed: LOW:HIGH:STEP with LOW at most HIGH and a step above 0, or "
                               "LOW:HIGH:*RATIO with LOW above 0 and a ratio above 1");
    Ranges out;
    const double slack = 1e-9 * std::max(std::fabs(high->value), step.value);
    for (std::size_t i = 0; out.values.size() <= most_values; ++i) {
        const double v = ratio ? low->value * std::pow(step.value, static_cast<double>(i))
                               : low->value + step.value * static_cast<double>(i);
        if (v > high->value + slack) return out;
        out.values.push_back(written(low->whole && step.whole ? std::round(v) : v, low->unit));
    }
    return wrong(text, fmt::format("found more than {} values, allowed: a larger step", most_values));
}

/// Nothing when the text is a plain value.
std::optional<Result<Ranges>> range_of(const std::string& text) {
    if (const std::size_t dots = text.find(".."); dots != std::string::npos) {
        std::string high_text = text.substr(dots + 2);
        const bool logarithmic = high_text.ends_with(":log");
        if (logarithmic) high_text.resize(high_text.size() - 4);
        const auto low = number_of(text.substr(0, dots)), high = number_of(high_text);
        if (!low || !high) return std::nullopt;
        if (low->unit != high->unit || !(low->value < high->value) || (logarithmic && !(low->value > 0)))
            return Result<Ranges>(wrong(
                text, "found \"" + text +
                          "\", allowed: LOW..HIGH with LOW below HIGH in one unit; with :log, LOW above 0"));
        return Result<Ranges>(Ranges{
            {}, ValueRange{low->value, high->value, low->whole && high->whole, logarithmic, low->unit}});
    }
    const std::vector<std::string> parts = split(text, ':');
    if (parts.size() != 2 && parts.size() != 3) return std::nullopt;
    if (!number_of(parts[0]) || !number_of(parts[1])) return std::nullopt;
    if (parts.size() == 3 && !number_of(parts[2].starts_with('*') ? parts[2].substr(1) : parts[2]))
        return std::nullopt;
    return stepped(text, parts);
}

/// The last word of a path: "minReplicaCount", "--max-num-seqs".
std::string short_name(const std::string& path) {
    const auto steps = parse_path(path.substr(path.find(':') == std::string::npos ? 0 : path.find(':') + 1));
    if (!steps) return path;
    for (auto step = steps->rbegin(); step != steps->rend(); ++step) {
        if (!step->key.empty()) return step->key;
        if (step->item_name.starts_with("--")) return step->item_name;
    }
    return path;
}

std::optional<double> number_in(const std::string& label) {
    const auto n = number_of(label);
    return n ? std::optional(n->value) : std::nullopt;
}

Problems add_values(Dimension& d, const std::vector<std::string>& items, const std::string& where) {
    for (const std::string& item : items) {
        if (auto range = range_of(item)) {
            if (!*range) return range->take_problems();
            if ((*range)->interval) {
                if (items.size() > 1)
                    return {wrong(where,
                                  "found an interval among other values, allowed: an interval alone, or "
                                  "values and LOW:HIGH:STEP")};
                d.interval = (*range)->interval;
                return {};
            }
            for (const std::string& v : (*range)->values) d.choices.push_back(d.choice_of(v));
        } else if (item.empty()) {
            return {wrong(where,
                          "found an empty value, allowed: values between commas, \"\" for an empty text, "
                          "null to leave the key out")};
        } else {
            d.choices.push_back(d.choice_of(item));
        }
    }
    std::set<std::string> seen;
    for (const Choice& c : d.choices)
        if (!seen.insert(c.label).second)
            return {wrong(where, "found the value " + c.label + " twice, allowed: each value once")};
    if (d.choices.size() > most_values)
        return {
            wrong(where, fmt::format("found {} values, allowed: at most {}", d.choices.size(), most_values))};
    return {};
}

/// A YAML value as a word of a --set.
std::string flow_text(const Node& node) {
    switch (node.kind) {
        case Node::Kind::null:
            return "null";
        case Node::Kind::boolean:
            return node.boolean ? "true" : "false";
        case Node::Kind::integer:
        case Node::Kind::number:
            return node.text;
        case Node::Kind::string:
            // What YAML would read as a number or not as a text at all keeps its quotes.
            if (resolve_plain_scalar(node.text).is_text() &&
                node.text.find_first_of("\"'{}[],&*#?|<>=!%@`\\:\n") == std::string::npos &&
                trimmed(node.text) == node.text && !node.text.starts_with('-'))
                return node.text;
            return to_json(node).dump();
        case Node::Kind::list:
        case Node::Kind::map:
            return to_json(node).dump();
    }
    return "";
}

std::string label_of(const Node& node) {
    return node.is_text() && !node.text.empty() ? node.text : flow_text(node);
}

Problem at(const Document& document, const Node& node, const std::string& path, const std::string& message) {
    return {document.where(node), path, message};
}

/// `{path, values}` or `{name, choices}`.
Result<Dimension> dimension_of(const Document& document, const Node& item, const std::string& path) {
    Dimension d;
    for (const Node& key : item.children) {
        static const std::vector<std::string> known = {"name", "path", "paths", "values", "choices"};
        if (std::find(known.begin(), known.end(), key.key) == known.end())
            return at(document, key, path + "." + key.key,
                      "is no key of a dimension, allowed: " + join(known) + did_you_mean(key.key, known));
    }
    d.name = item.text_at({"name"});
    if (const std::string one = item.text_at({"path"}); !one.empty()) d.paths.push_back(one);
    if (const Node* several = item.find("paths"); several != nullptr && several->is_list())
        for (const Node& p : several->children) d.paths.push_back(p.text);
    const Node *values = item.find("values"), *choices = item.find("choices");
    if ((values == nullptr) == (choices == nullptr) || d.paths.empty() != (values == nullptr) ||
        (choices != nullptr && d.name.empty()))
        return at(document, item, path,
                  "found neither {path, values} nor {name, choices}, allowed: one of the two");
    if (values != nullptr) {
        std::vector<std::string> items;
        if (values->is_list()) {
            for (const Node& v : values->children) {
                d.choices.push_back(d.choice_of(flow_text(v)));
                d.choices.back().label = label_of(v);
                d.choices.back().number = number_in(label_of(v));
            }
        } else {
            items.push_back(values->text);
        }
        Problems problems = add_values(d, items, path + ".values");
        for (Problem& p : problems) p.where = document.where(*values);
        if (!problems.empty()) return problems;
        if (d.choices.empty() && !d.interval)
            return at(document, *values, path + ".values", "found no values, allowed: at least one");
        return d;
    }
    if (!choices->is_map() || choices->children.empty())
        return at(document, *choices, path + ".choices",
                  "found " + describe(*choices) + ", allowed: {LABEL: {PATH: VALUE, ...}, ...}");
    for (const Node& choice : choices->children) {
        if (!choice.is_map() && !choice.is_null())
            return at(document, choice, path + ".choices." + choice.key,
                      "found " + describe(choice) + ", allowed: {PATH: VALUE, ...}");
        Choice c{choice.key, {}, number_in(choice.key)};
        for (const Node& field : choice.children) c.assignments.push_back(field.key + "=" + flow_text(field));
        d.choices.push_back(std::move(c));
    }
    return d;
}

}  // namespace

bool Dimension::ordered() const {
    if (interval) return true;
    for (std::size_t i = 0; i < choices.size(); ++i)
        if (!choices[i].number || (i > 0 && *choices[i].number <= *choices[i - 1].number)) return false;
    return true;
}

Choice Dimension::choice_of(const std::string& value) const {
    Choice out;
    out.label = value;
    for (const char quote : {'"', '\''})
        if (value.size() > 2 && value.front() == quote && value.back() == quote)
            out.label = value.substr(1, value.size() - 2);
    out.number = number_in(out.label);
    for (const std::string& path : paths) out.assignments.push_back(path + "=" + value);
    return out;
}

Result<Dimension> parse_dimension(const std::string& text) {
    Dimension d;
    std::string rest = text;
    if (const std::size_t named = rest.find(":=");
        named != std::string::npos && rest.find_first_of("./[&=") > named) {
        d.name = rest.substr(0, named);
        rest = rest.substr(named + 2);
    }
    const std::size_t equals = find_equals(rest);
    if (equals == std::string::npos || equals == 0 || equals + 1 == rest.size())
        return wrong(text,
                     "found no PATH=VALUES, allowed: a scenario path "
                     "(workload.routing=random,least-requests) or a manifest field "
                     "(Deployment/chat:spec.replicas=2,4,8 or =2:8:1)");
    for (const std::string& path : split(std::string_view(rest).substr(0, equals), '&'))
        d.paths.emplace_back(trimmed(path));
    for (const std::string& path : d.paths) {
        const auto valid = parse_assignment(path + "=0");
        if (!valid) return wrong(text, valid.problems()[0].message);
    }
    std::vector<std::string> items = split(std::string_view(rest).substr(equals + 1), ',');
    for (std::string& item : items) item = std::string(trimmed(item));
    if (Problems problems = add_values(d, items, text); !problems.empty()) return problems;
    return d;
}

Result<std::vector<Dimension>> read_space_file(const std::string& file) {
    auto documents = read_documents({file}, std::cin);
    if (!documents) return documents.take_problems();
    const Node* vary = documents->size() == 1 ? documents->front().root.find("vary") : nullptr;
    if (vary == nullptr || !vary->is_list() || vary->children.empty())
        return Problem{{file, 0, 0},
                       "vary",
                       "found no list of dimensions, allowed: vary: [{path, values}, {name, choices}]"};
    for (const Node& key : documents->front().root.children)
        if (key.key != "vary")
            return at(documents->front(), key, key.key, "is no key of such a file, allowed: vary");
    std::vector<Dimension> out;
    Problems problems;
    for (std::size_t i = 0; i < vary->children.size(); ++i) {
        auto d = dimension_of(documents->front(), vary->children[i], fmt::format("vary[{}]", i));
        if (d)
            out.push_back(std::move(*d));
        else
            for (Problem& p : d.take_problems()) problems.push_back(std::move(p));
    }
    if (!problems.empty()) return problems;
    return out;
}

Problems finish_space(std::vector<Dimension>& dimensions, const std::string& where) {
    Problems problems;
    std::set<std::string> paths, names;
    for (Dimension& d : dimensions) {
        for (const std::string& path : d.paths)
            if (!paths.insert(path).second)
                problems.push_back({{}, where, "found " + path + " varied twice, allowed: each path once"});
        if (d.name.empty()) d.name = short_name(d.paths.front());
    }
    for (Dimension& d : dimensions) {
        const auto same = std::count_if(dimensions.begin(), dimensions.end(),
                                        [&](const Dimension& o) { return o.name == d.name; });
        if (same > 1 && !d.paths.empty()) d.name = d.paths.front();
        if (!names.insert(d.name).second)
            problems.push_back(
                {{}, where, "found two dimensions named " + d.name + ", allowed: each name once"});
    }
    return problems;
}

Problems make_discrete(std::vector<Dimension>& dimensions, const std::string& where) {
    Problems problems;
    for (Dimension& d : dimensions) {
        if (!d.interval) continue;
        if (!d.interval->whole || d.interval->logarithmic || d.interval->high - d.interval->low > 1000) {
            problems.push_back({{},
                                where,
                                "found an interval for " + d.name +
                                    ", allowed: values, or LOW:HIGH:STEP (LOW:HIGH:*RATIO)"});
            continue;
        }
        for (double v = d.interval->low; v <= d.interval->high; ++v)
            d.choices.push_back(d.choice_of(written(v, d.interval->unit)));
        d.interval.reset();
    }
    return problems;
}

}  // namespace windtunnel
