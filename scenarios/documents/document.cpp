#include "scenarios/documents/document.hpp"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace windtunnel {
namespace {

/// The YAML 1.1 booleans that Kubernetes' reader (sigs.k8s.io/yaml over go-yaml v2) knows.
bool is_yaml_true(const std::string& t) {
    for (const char* word : {"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})
        if (t == word) return true;
    return false;
}

bool is_yaml_false(const std::string& t) {
    for (const char* word : {"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"})
        if (t == word) return true;
    return false;
}

/// An integer in go's base-0 notation (0x, 0b, 0o, leading zero = octal), underscores removed.
bool parse_integer(const std::string& text, std::int64_t& value) {
    std::string digits;
    for (const char c : text)
        if (c != '_') digits += c;
    std::size_t at = 0;
    const bool negative = !digits.empty() && digits[0] == '-';
    if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) at = 1;
    int base = 10;
    if (digits.size() > at + 1 && digits[at] == '0') {
        const char marker = digits[at + 1];
        if (marker == 'x' || marker == 'X') base = 16, at += 2;
        else if (marker == 'b' || marker == 'B') base = 2, at += 2;
        else if (marker == 'o' || marker == 'O') base = 8, at += 2;
        else base = 8, at += 1;
    }
    if (at >= digits.size() || digits[at] == '-' || digits[at] == '+') return false;
    const std::string body = (negative ? "-" : "") + digits.substr(at);
    const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), value, base);
    return error == std::errc{} && end == body.data() + body.size();
}

/// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool looks_like_number(const std::string& t) {
    std::size_t i = 0;
    const auto digits = [&] {
        const std::size_t start = i;
        while (i < t.size() && t[i] >= '0' && t[i] <= '9') ++i;
        return i - start;
    };
    if (i < t.size() && (t[i] == '-' || t[i] == '+')) ++i;
    const std::size_t before = digits();
    std::size_t after = 0;
    if (i < t.size() && t[i] == '.') {
        ++i;
        after = digits();
    }
    if (before + after == 0) return false;
    if (i < t.size() && (t[i] == 'e' || t[i] == 'E')) {
        ++i;
        if (i < t.size() && (t[i] == '-' || t[i] == '+')) ++i;
        if (digits() == 0) return false;
    }
    return i == t.size();
}

}  // namespace

Node resolve_plain_scalar(const std::string& text) {
    Node node;
    node.text = text;
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return node;
    if (is_yaml_true(text) || is_yaml_false(text)) {
        node.kind = Node::Kind::boolean;
        node.boolean = is_yaml_true(text);
        return node;
    }
    if (parse_integer(text, node.integer)) {
        node.kind = Node::Kind::integer;
        node.number = static_cast<double>(node.integer);
        return node;
    }
    node.integer = 0;
    if (looks_like_number(text)) {
        const std::size_t skip = text[0] == '+' ? 1 : 0;
        double value = 0;
        const auto outcome = std::from_chars(text.data() + skip, text.data() + text.size(), value);
        node.kind = Node::Kind::number;
        node.number = outcome.ec == std::errc::result_out_of_range ? HUGE_VAL : value;
        // "08" is no octal number; like go-yaml, take it as the decimal number it looks like.
        if (std::abs(node.number) < 9e15 && text.find_first_of(".eE") == std::string::npos) {
            node.kind = Node::Kind::integer;
            node.integer = static_cast<std::int64_t>(node.number);
        }
        return node;
    }
    std::string bare = text[0] == '-' || text[0] == '+' ? text.substr(1) : text;
    if (bare == ".inf" || bare == ".Inf" || bare == ".INF" || text == ".nan" || text == ".NaN" || text == ".NAN") {
        node.kind = Node::Kind::number;
        node.number = HUGE_VAL;
        return node;
    }
    node.kind = Node::Kind::string;
    return node;
}

const Node* Node::find(std::string_view name) const {
    if (kind != Kind::map) return nullptr;
    for (const Node& child : children)
        if (child.key == name) return &child;
    return nullptr;
}

Node* Node::find(std::string_view name) { return const_cast<Node*>(std::as_const(*this).find(name)); }

std::string Node::text_at(std::initializer_list<std::string_view> keys) const {
    const Node* node = this;
    for (const std::string_view key_name : keys) {
        node = node->find(key_name);
        if (!node) return "";
    }
    return node->is_text() ? node->text : "";
}

std::string describe(const Node& node) {
    switch (node.kind) {
        case Node::Kind::null: return "nothing";
        case Node::Kind::boolean: return node.text + " (a boolean)";
        case Node::Kind::integer:
        case Node::Kind::number: return node.text;
        case Node::Kind::list: return "a list";
        case Node::Kind::map: return "a map";
        case Node::Kind::string: break;
    }
    constexpr std::size_t longest = 80;
    if (node.text.size() <= longest) return '"' + node.text + '"';
    std::size_t cut = longest;
    while (cut > 0 && (static_cast<unsigned char>(node.text[cut]) & 0xC0) == 0x80) --cut;
    return '"' + node.text.substr(0, cut) + "...\"";
}

nlohmann::ordered_json to_json(const Node& node) {
    switch (node.kind) {
        case Node::Kind::null: return nullptr;
        case Node::Kind::boolean: return node.boolean;
        case Node::Kind::integer: return node.integer;
        case Node::Kind::number: return node.number;
        case Node::Kind::string: return node.text;
        case Node::Kind::list: {
            auto out = nlohmann::ordered_json::array();
            for (const Node& child : node.children) out.push_back(to_json(child));
            return out;
        }
        case Node::Kind::map: break;
    }
    auto out = nlohmann::ordered_json::object();
    for (const Node& child : node.children) out[child.key] = to_json(child);
    return out;
}

}  // namespace windtunnel
