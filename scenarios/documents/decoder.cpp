#include "scenarios/documents/decoder.hpp"

#include <fmt/format.h>

#include <cmath>

namespace windtunnel {
namespace {

const Node& empty_map() {
    static const Node node = [] {
        Node n;
        n.kind = Node::Kind::map;
        return n;
    }();
    return node;
}

std::string range(const std::string& what, double least, double most, double lowest, double highest) {
    if (least > lowest && most < highest) return fmt::format("{} from {} to {}", what, least, most);
    if (least > lowest) return fmt::format("{} of at least {}", what, least);
    if (most < highest) return fmt::format("{} of at most {}", what, most);
    return what;
}

}  // namespace

Decoder::Decoder(const Node& node, std::string path, const std::string& file, Findings& findings)
    : m_node(&node), m_path(std::move(path)), m_file(file), m_where{file, node.line, node.column}, m_findings(&findings) {
    if (node.is_map()) return;
    if (!node.is_null())
        findings.errors.push_back({where(), m_path, "found " + describe(node) + ", allowed: a map"});
    m_node = &empty_map();
}

std::string Decoder::path_of(const std::string& key) const {
    if (key.empty()) return m_path;
    const bool plain = key.find_first_of("./[]") == std::string::npos;
    const std::string shown = plain ? key : '"' + key + '"';
    return m_path.empty() ? shown : m_path + '.' + shown;
}

SourcePosition Decoder::where(const std::string& key) const {
    const Node* node = m_node->find(key);
    return node ? SourcePosition{m_file, node->line, node->column} : where();
}

void Decoder::error(const std::string& key, const std::string& message) {
    m_findings->errors.push_back({where(key), path_of(key), message});
}

void Decoder::warn(const std::string& key, const std::string& message) {
    m_findings->warnings.push_back({where(key), path_of(key), message});
}

void Decoder::note(const std::string& key, const std::string& message) {
    m_findings->notes.push_back({where(key), path_of(key), message});
}

void Decoder::wrong(const std::string& key, const Node& found, const std::string& allowed) {
    const bool variable = found.is_text() && found.text.starts_with("${");
    error(key, "found " + describe(found) + ", allowed: " + allowed + (variable ? "; the variable was not replaced (envsubst < FILE | windtunnel run -f -)" : ""));
}

template <class T>
std::optional<T> Decoder::accept(const std::string& key, Result<T> result) {
    if (result) return *result;
    for (const Problem& p : result.problems()) error(key, p.message);
    return std::nullopt;
}

bool Decoder::has(const std::string& key) const {
    const Node* node = m_node->find(key);
    return node && !node->is_null();
}

const Node* Decoder::take(const std::string& key) {
    m_known.insert(key);
    const Node* node = m_node->find(key);
    return node && !node->is_null() ? node : nullptr;
}

std::optional<bool> Decoder::boolean(const std::string& key) {
    const Node* node = take(key);
    if (!node) return std::nullopt;
    if (node->kind == Node::Kind::boolean) return node->boolean;
    wrong(key, *node, "true or false");
    return std::nullopt;
}

std::optional<std::string> Decoder::text(const std::string& key) {
    const Node* node = take(key);
    if (!node) return std::nullopt;
    if (node->is_text()) return node->text;
    const bool scalar = !node->is_list() && !node->is_map();
    wrong(key, *node, scalar ? "text; write \"" + node->text + "\" in quotes" : "text");
    return std::nullopt;
}

std::string Decoder::required_text(const std::string& key) {
    if (!has(key)) {
        missing(key, "text");
        return "";
    }
    const auto value = text(key);
    if (value && value->empty()) error(key, "found empty text, allowed: a value");
    return value.value_or("");
}

void Decoder::missing(const std::string& key, const std::string& what) {
    m_known.insert(key);
    m_findings->errors.push_back({where(), path_of(key), "is missing, allowed: " + what});
}

std::optional<std::int64_t> Decoder::integer(const std::string& key, std::int64_t least, std::int64_t most) {
    const Node* node = take(key);
    if (!node) return std::nullopt;
    std::int64_t value = node->integer;
    bool whole = node->kind == Node::Kind::integer;
    if (node->kind == Node::Kind::number && std::abs(node->number) < 9e15 && std::trunc(node->number) == node->number) {
        value = static_cast<std::int64_t>(node->number);  // 1e3
        whole = true;
    }
    if (whole && value >= least && value <= most) return value;
    std::string allowed = "an integer";
    if (least > INT64_MIN && most < INT64_MAX && most != INT32_MAX) allowed += fmt::format(" from {} to {}", least, most);
    else if (least > INT64_MIN) allowed += fmt::format(" of at least {}", least);
    if (whole && value > most && most == INT32_MAX) allowed += fmt::format(" and at most {}", most);
    wrong(key, *node, allowed);
    return std::nullopt;
}

std::optional<Tick> Decoder::whole_seconds(const std::string& key, std::int64_t least) {
    const auto value = integer(key, least);
    return value ? std::optional(seconds(std::min(*value, longest_seconds))) : std::nullopt;
}

std::optional<std::int32_t> Decoder::int32(const std::string& key, std::int32_t least, std::int32_t most) {
    const auto value = integer(key, least, most);
    return value ? std::optional(static_cast<std::int32_t>(*value)) : std::nullopt;
}

std::optional<double> Decoder::number(const std::string& key, double least, double most) {
    const Node* node = take(key);
    if (!node) return std::nullopt;
    const bool numeric = node->kind == Node::Kind::integer || node->kind == Node::Kind::number;
    if (numeric && node->number >= least && node->number <= most) return node->number;
    wrong(key, *node, range("a number", least, most, -1e300, 1e300));
    return std::nullopt;
}

std::optional<Tick> Decoder::duration(const std::string& key, double least, double most) {
    const Node* node = take(key);
    if (!node) return std::nullopt;
    const bool ms = key.ends_with("_ms");
    const bool numeric = node->kind == Node::Kind::integer || node->kind == Node::Kind::number;
    const double limit = ms ? 4.5e10 : 4.5e7;  // the clock's range, models/time.hpp
    if (numeric && node->number >= least && node->number <= std::min(most, limit)) {
        return ms ? Tick{std::llround(node->number * static_cast<double>(ticks_per_millisecond))} : from_seconds(node->number);
    }
    wrong(key, *node, range(ms ? "a number of milliseconds" : "a number of seconds", least, std::min(most, limit), -1e300, limit));
    return std::nullopt;
}

std::optional<Tick> Decoder::go_duration(const std::string& key) {
    const auto value = text(key);
    return value ? accept(key, parse_go_duration(*value)) : std::nullopt;
}

std::optional<Quantity> Decoder::quantity(const std::string& key) {
    const Node* node = take(key);
    if (!node) return std::nullopt;
    if (node->is_text()) return accept(key, parse_quantity(node->text));
    if (node->kind == Node::Kind::integer) return Quantity{node->integer, 0};
    if (node->kind == Node::Kind::number) return accept(key, parse_quantity(node->text));
    wrong(key, *node, "a quantity such as 4, 500m or 16Gi");
    return std::nullopt;
}

std::optional<IntOrPercent> Decoder::int_or_percent(const std::string& key) {
    const Node* node = take(key);
    if (!node) return std::nullopt;
    std::optional<IntOrPercent> value;
    if (node->kind == Node::Kind::integer) value = IntOrPercent{node->integer, false};
    else if (node->is_text()) value = accept(key, parse_percent(node->text));
    else wrong(key, *node, "an integer or a percentage such as 25%");
    if (value && (value->value < 0 || value->value > INT32_MAX)) {
        wrong(key, *node, "an integer or a percentage of at least 0");
        return std::nullopt;
    }
    return value;
}

std::optional<double> Decoder::ratio(const std::string& key) {
    const Node* node = take(key);
    if (!node) return std::nullopt;
    if (node->kind == Node::Kind::integer || node->kind == Node::Kind::number) return number(key, 0, 1);
    if (node->is_text() && node->text.ends_with('%')) {
        const Node plain = resolve_plain_scalar(node->text.substr(0, node->text.size() - 1));
        const bool numeric = plain.kind == Node::Kind::integer || plain.kind == Node::Kind::number;
        if (numeric && plain.number >= 0 && plain.number <= 100) return plain.number / 100;
    }
    wrong(key, *node, "a share from 0 to 1, or a percentage such as \"95%\"");
    return std::nullopt;
}

std::optional<std::int64_t> Decoder::nano_usd(const std::string& key) {
    const Node* node = take(key);
    if (!node) return std::nullopt;
    if (!node->is_list() && !node->is_map() && node->kind != Node::Kind::boolean) return accept(key, parse_nano_usd(node->text));
    wrong(key, *node, "an amount in US dollars such as 1.006");
    return std::nullopt;
}

std::vector<std::string> Decoder::texts(const std::string& key) {
    std::vector<std::string> out;
    const Node* node = take(key);
    if (!node) return out;
    if (!node->is_list()) {
        wrong(key, *node, "a list of texts");
        return out;
    }
    for (std::size_t i = 0; i < node->children.size(); ++i) {
        const Node& item = node->children[i];
        if (item.is_text()) {
            out.push_back(item.text);
        } else {
            const bool scalar = !item.is_list() && !item.is_map();
            m_findings->errors.push_back({{m_file, item.line, item.column}, fmt::format("{}[{}]", path_of(key), i),
                                          "found " + describe(item) + ", allowed: text" +
                                              (scalar ? "; write \"" + item.text + "\" in quotes" : "")});
        }
    }
    return out;
}

std::vector<std::string> Decoder::text_or_texts(const std::string& key) {
    const Node* node = take(key);
    if (node && node->is_text()) return {node->text};
    return texts(key);
}

std::map<std::string, std::string> Decoder::text_map(const std::string& key) {
    std::map<std::string, std::string> out;
    Decoder members = child(key);
    for (const Node& member : members.node().children)
        if (const auto value = members.text(member.key)) out[member.key] = *value;
    return out;
}

Decoder Decoder::child(const std::string& key) {
    const Node* node = take(key);
    if (node) return Decoder(*node, path_of(key), m_file, *m_findings);
    Decoder absent(empty_map(), path_of(key), m_file, *m_findings);
    absent.m_where = m_where;
    return absent;
}

std::vector<Decoder> Decoder::children(const std::string& key) {
    std::vector<Decoder> out;
    const Node* node = take(key);
    if (!node) return out;
    if (!node->is_list()) {
        wrong(key, *node, "a list");
        return out;
    }
    for (std::size_t i = 0; i < node->children.size(); ++i)
        out.emplace_back(node->children[i], fmt::format("{}[{}]", path_of(key), i), m_file, *m_findings);
    return out;
}

void Decoder::harmless(const std::vector<std::string>& keys) {
    for (const std::string& key : keys)
        if (take(key)) note(key, "does not change the result");
}

void Decoder::quiet(const std::vector<std::string>& keys) { m_known.insert(keys.begin(), keys.end()); }

void Decoder::unsupported(const std::vector<std::string>& keys, const std::string& why) {
    for (const std::string& key : keys)
        if (take(key)) error(key, "would change the result and is not simulated: " + why);
}

void Decoder::finish() {
    const std::vector<std::string> known(m_known.begin(), m_known.end());
    for (const Node& member : m_node->children) {
        if (m_known.contains(member.key)) continue;
        std::string message = "is no known key" + did_you_mean(member.key, known);
        const std::string meant = nearest_name(member.key, known);
        // A key that was misspelt is not missing besides.
        std::erase_if(m_findings->errors, [&](const Problem& p) {
            return !meant.empty() && p.path == path_of(meant) && p.where.file == m_file && p.message.starts_with("is missing");
        });
        if (meant.empty() && known.size() <= 24) message += ", allowed: " + join(known);
        m_findings->errors.push_back({{m_file, member.line, member.column}, path_of(member.key), message});
    }
}

}  // namespace windtunnel
