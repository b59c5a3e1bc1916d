// The YAML and JSON reader: yaml-cpp's events built into a tree of nodes, with the guards that yaml-cpp
// 0.7 leaves to its callers (duplicate keys, merge keys, alias bombs, documents without progress).
#include "scenarios/documents/document.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <unordered_map>

namespace windtunnel {
namespace {

/// Stops the reading of one file; never leaves parse_documents.
struct Refused {
    std::int32_t line;
    std::int32_t column;
    std::string message;
    std::string path = "";
};

class TreeBuilder : public YAML::EventHandler {
public:
    TreeBuilder(std::string file, std::string_view source, const DocumentLimits& limits)
        : m_file(std::move(file)), m_source(source), m_limits(limits) {}

    void OnDocumentStart(const YAML::Mark& mark) override {
        // yaml-cpp does not consume a token that cannot start a document and would call for ever.
        if (mark.pos == m_last_start) refuse(mark, "found text that belongs to nothing before it");
        if (m_last_start >= 0 && !is_separated(mark.line))
            refuse(mark, "found a second value where the first one has ended, allowed: one in each document (--- between them)");
        m_last_start = mark.pos;
        m_root = Node{};
        m_anchors.clear();
        m_stack.clear();
    }
    void OnDocumentEnd() override {
        if (m_root.kind != Node::Kind::null) m_documents.push_back({m_file, std::move(m_root)});
    }
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        place(at(mark), anchor, 1, true, mark);
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = m_anchors.find(anchor);
        if (found == m_anchors.end()) refuse(mark, "found an alias inside the very node it names, allowed: a finished one");
        if (static_cast<int>(m_stack.size()) + found->second.height > m_limits.depth) refuse_depth(mark);
        count(found->second.nodes, mark);
        Node copy = found->second.node;
        if (expects_key() && copy.kind != Node::Kind::string) refuse(mark, "found an alias as a key, allowed: text");
        place(std::move(copy), 0, found->second.height, false, mark);
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        Node node = scalar(mark, tag, value);
        node.line = mark.line + 1;
        node.column = mark.column + 1;
        count(1, mark);
        place(std::move(node), anchor, 1, tag == "?", mark);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(mark, tag, anchor, Node::Kind::list);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(mark, tag, anchor, Node::Kind::map);
    }
    void OnMapEnd() override {
        merge(m_stack.back());
        close();
    }

    std::vector<Document> take_documents() { return std::move(m_documents); }
    Problems take_problems() { return std::move(m_problems); }

private:
    struct Frame {
        Node node;
        YAML::anchor_t anchor = 0;
        std::size_t nodes_before = 0;
        int height = 1;
        bool has_key = false;
        std::string key;
        std::int32_t key_line = 0;
        std::vector<Node> merged;                            // what `<<` names, in order
        std::unordered_map<std::string, std::int32_t> keys;  // and the lines they stand in
    };
    struct Anchored {
        Node node;
        std::size_t nodes;
        int height;
    };

    [[noreturn]] static void refuse(const YAML::Mark& mark, std::string message) {
        throw Refused{mark.line + 1, mark.column + 1, std::move(message)};
    }
    [[noreturn]] void refuse_depth(const YAML::Mark& mark) const {
        refuse(mark, "found values nested more than " + std::to_string(m_limits.depth) + " deep, allowed: at most that");
    }
    static Node at(const YAML::Mark& mark) {
        Node node;
        node.line = mark.line + 1;
        node.column = mark.column + 1;
        return node;
    }
    /// Whether a document that starts in this line (from 0) has `---` there, or `...` before it.
    [[nodiscard]] bool is_separated(int line) const {
        std::size_t at = 0;
        for (int i = 0; i < line && at < m_source.size(); ++i) at = std::min(m_source.find('\n', at), m_source.size() - 1) + 1;
        if (m_source.substr(at).starts_with("---")) return true;
        while (at > 0) {  // back over blank lines and comments
            const std::size_t start = at < 2 ? 0 : m_source.rfind('\n', at - 2) + 1;
            const std::string_view row = m_source.substr(start, at - start);
            if (row.starts_with("...")) return true;
            const std::size_t first = row.find_first_not_of(" \t\r\n");
            if (first != std::string_view::npos && row[first] != '#') return false;
            at = start;
        }
        return false;
    }
    void count(std::size_t nodes, const YAML::Mark& mark) {
        m_nodes += nodes;
        if (m_nodes > m_limits.nodes)
            refuse(mark, "found more than " + std::to_string(m_limits.nodes) +
                             " values once aliases are expanded, allowed: at most that in one file");
    }
    [[nodiscard]] bool expects_key() const {
        return !m_stack.empty() && m_stack.back().node.kind == Node::Kind::map && !m_stack.back().has_key;
    }

    /// Where the value that comes next stands: `workload.synthetic.rate_rps`.
    [[nodiscard]] std::string path_here() const {
        std::string path;
        for (const Frame& frame : m_stack) {
            if (frame.node.kind == Node::Kind::list) path += "[" + std::to_string(frame.node.children.size()) + "]";
            else path += (path.empty() ? "" : ".") + frame.key;
        }
        return path;
    }

    Node scalar(const YAML::Mark& mark, const std::string& tag, const std::string& value) const {
        const std::string standard = "tag:yaml.org,2002:";
        Node text;
        text.kind = Node::Kind::string;
        text.text = value;
        if (tag == "!" || tag == standard + "str" || expects_key()) return text;
        Node node = resolve_plain_scalar(value);
        if (node.kind == Node::Kind::number && !std::isfinite(node.number))
            throw Refused{mark.line + 1, mark.column + 1, "found " + value + ", allowed: a finite number", path_here()};
        if (tag == "?" || tag.empty()) return node;
        if (tag == standard + "int" && node.kind == Node::Kind::integer) return node;
        if (tag == standard + "float" && (node.kind == Node::Kind::integer || node.kind == Node::Kind::number)) return node;
        if (tag == standard + "bool" && node.kind == Node::Kind::boolean) return node;
        if (tag == standard + "null" && node.kind == Node::Kind::null) return node;
        if (tag == standard + "timestamp") return text;
        refuse(mark, "found the tag " + tag + " on \"" + value + "\", allowed: plain values and !!str, !!int, !!float, !!bool, !!null that fit");
    }

    void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
        if (expects_key())
            refuse(mark, std::string("found ") + (kind == Node::Kind::map ? "a map" : "a list") + " as a key (or a bracket that is never closed), allowed: text");
        const bool plain = tag == "?" || tag.empty() || tag == "!" ||
                           tag == (kind == Node::Kind::map ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq");
        if (!plain) refuse(mark, "found the tag " + tag + ", allowed: plain lists and maps");
        if (static_cast<int>(m_stack.size()) + 1 > m_limits.depth) refuse_depth(mark);
        Frame frame;
        frame.node = at(mark);
        frame.node.kind = kind;
        frame.anchor = anchor;
        frame.nodes_before = m_nodes;
        count(1, mark);
        m_stack.push_back(std::move(frame));
    }

    void close() {
        Frame frame = std::move(m_stack.back());
        m_stack.pop_back();
        if (frame.anchor != 0) m_anchors[frame.anchor] = {frame.node, m_nodes - frame.nodes_before, frame.height};
        attach(std::move(frame.node), frame.height);
    }

    /// Adds a finished node to what is open. `plain_key`: it may be the merge key.
    void place(Node node, YAML::anchor_t anchor, int height, bool plain_key, const YAML::Mark& mark) {
        if (expects_key()) {
            if (node.kind == Node::Kind::null && node.text.empty()) refuse(mark, "found an empty key, allowed: text");
            Frame& frame = m_stack.back();
            frame.has_key = true;
            frame.key = node.text;
            frame.key_line = mark.line + 1;
            const bool merge_key = plain_key && frame.key == "<<";
            if (!merge_key) {
                const auto [first, added] = frame.keys.try_emplace(frame.key, frame.key_line);
                if (!added)
                    m_problems.push_back({{m_file, mark.line + 1, mark.column + 1}, frame.key,
                                          "found the key a second time (first in line " + std::to_string(first->second) +
                                              "), allowed: each key once"});
            } else {
                frame.key = merge_marker;
            }
            if (anchor != 0) m_anchors[anchor] = {std::move(node), 1, 1};
            return;
        }
        if (anchor != 0) m_anchors[anchor] = {node, 1, 1};
        attach(std::move(node), height);
    }

    void attach(Node node, int height) {
        if (m_stack.empty()) {
            m_root = std::move(node);
            return;
        }
        Frame& frame = m_stack.back();
        frame.height = std::max(frame.height, height + 1);
        if (frame.node.kind == Node::Kind::map) {
            frame.has_key = false;
            if (frame.key == merge_marker) {
                add_merge(frame, std::move(node));
                return;
            }
            node.key = frame.key;
        } else {
            node.key.clear();
        }
        frame.node.children.push_back(std::move(node));
    }

    void add_merge(Frame& frame, Node node) {
        if (node.is_map()) {
            frame.merged.push_back(std::move(node));
            return;
        }
        bool good = node.is_list();
        for (Node& item : node.children) good = good && item.is_map();
        if (!good)
            throw Refused{node.line, node.column, "found " + describe(node) + " under the merge key <<, allowed: a map or a list of maps"};
        for (Node& item : node.children) frame.merged.push_back(std::move(item));
    }

    /// Keys of the map itself win over merged ones, earlier merged maps over later ones.
    static void merge(Frame& frame) {
        for (Node& source : frame.merged)
            for (Node& member : source.children)
                if (frame.keys.try_emplace(member.key, member.line).second)
                    frame.node.children.push_back(std::move(member));
    }

    static inline const std::string merge_marker = std::string("\0<<", 3);

    std::string m_file;
    std::string_view m_source;
    DocumentLimits m_limits;
    std::vector<Document> m_documents;
    Problems m_problems;
    Node m_root;
    std::vector<Frame> m_stack;
    std::map<YAML::anchor_t, Anchored> m_anchors;
    std::size_t m_nodes = 0;
    int m_last_start = -1;
};

struct Line {
    std::int32_t line = 1;
    std::int32_t column = 1;
};

/// What makes the bytes unreadable as text, or "" when they are UTF-8 without control characters.
std::string encoding_fault(std::string_view text, Line& where) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    if (byte(0) == 0x1F && byte(1) == 0x8B) return "found gzip-compressed data, allowed: YAML or JSON text";
    if (byte(0) == 0x28 && byte(1) == 0xB5 && byte(2) == 0x2F && byte(3) == 0xFD)
        return "found zstd-compressed data, allowed: YAML or JSON text";
    if ((byte(0) == 0xFF && byte(1) == 0xFE) || (byte(0) == 0xFE && byte(1) == 0xFF))
        return "found UTF-16 text, allowed: UTF-8";
    for (std::size_t i = 0; i < text.size();) {
        const unsigned c = byte(i);
        std::size_t length = 1;
        std::uint32_t code = c;
        if (c >= 0x80) {
            length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
            bool good = c >= 0xC2 && c <= 0xF4 && i + length <= text.size();
            code = c & (0x7FU >> length);
            for (std::size_t k = 1; good && k < length; ++k) {
                good = (byte(i + k) & 0xC0) == 0x80;
                code = code << 6 | (byte(i + k) & 0x3F);
            }
            good = good && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF) &&
                   code >= (length == 2 ? 0x80U : length == 3 ? 0x800U : 0x10000U);
            if (!good) return "found bytes that are not UTF-8, allowed: UTF-8 text";
        } else if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) {
            return "found a control character, allowed: text (is this a binary file?)";
        }
        if (c == '\n') ++where.line, where.column = 1;
        else ++where.column;
        i += length;
    }
    return "";
}

/// JSON is YAML but for two things that yaml-cpp minds: tabs between tokens and surrogate pairs of
/// \u escapes. Lines stay where they are.
std::string json_as_yaml(std::string_view json) {
    const auto hex4 = [&](std::size_t at) -> long {
        if (at + 6 > json.size() || json[at] != '\\' || json[at + 1] != 'u') return -1;
        return std::stol(std::string(json.substr(at + 2, 4)), nullptr, 16);
    };
    std::string out;
    out.reserve(json.size());
    bool quoted = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (!quoted && c == '\t') {
            out += ' ';
        } else if (quoted && c == '\\') {
            const long high = hex4(i);
            const long low = high >= 0xD800 && high < 0xDC00 ? hex4(i + 6) : -1;
            if (low >= 0xDC00 && low < 0xE000) {
                const auto code = static_cast<unsigned>(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
                for (const unsigned part : {0xF0U | code >> 18, 0x80U | (code >> 12 & 0x3F), 0x80U | (code >> 6 & 0x3F), 0x80U | (code & 0x3F)})
                    out += static_cast<char>(part);
                i += 11;
            } else {
                out += c;
                out += json[++i];
            }
        } else {
            if (c == '"') quoted = !quoted;
            out += c;
        }
    }
    return out;
}

constexpr const char* template_advice =
    "; the file looks like a template, render it first: helm template ... | windtunnel run -f -";

std::string advice(std::string_view text, std::int32_t line) {
    if (text.find("{{") != std::string_view::npos) return template_advice;
    std::int32_t number = 1;
    for (std::size_t at = 0; at < text.size() && number <= line; ++number) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view row = text.substr(at, end - at);
        const std::size_t first = row.find_first_not_of(" \t");
        if (first != std::string_view::npos && row.substr(0, first).find('\t') != std::string_view::npos)
            return "; line " + std::to_string(number) + " is indented with a tab, allowed: spaces";
        at = end + 1;
    }
    return "";
}

/// Replaces `kind: List` documents by their items.
Problems flatten_lists(std::vector<Document>& documents) {
    Problems problems;
    std::vector<Document> flat;
    for (Document& document : documents) {
        const std::string kind = document.root.text_at({"kind"});
        Node* items = document.root.find("items");
        if (!kind.ends_with("List") || kind == "ImageStreamList" || (kind != "List" && !items)) {
            flat.push_back(std::move(document));
            continue;
        }
        if (!items || items->is_null()) continue;
        if (!items->is_list()) {
            problems.push_back({document.where(*items), "items", "found " + describe(*items) + ", allowed: a list"});
            continue;
        }
        for (Node& item : items->children) flat.push_back({document.file, std::move(item), {}});
    }
    documents = std::move(flat);
    return problems;
}

}  // namespace

Result<std::vector<Document>> parse_documents(std::string_view text, const std::string& file,
                                              const DocumentLimits& limits) {
    const auto problem = [&](std::int32_t line, std::int32_t column, std::string message) {
        return Problem{{file, line, column}, "", std::move(message)};
    };
    if (text.size() > limits.bytes)
        return problem(0, 0, "found " + std::to_string(text.size()) + " bytes, allowed: at most " + std::to_string(limits.bytes));
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    Line fault;
    if (std::string message = encoding_fault(text, fault); !message.empty())
        return problem(fault.line, fault.column, std::move(message));

    std::string source(text);
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos && (text[first] == '{' || text[first] == '[') && nlohmann::json::accept(text))
        source = json_as_yaml(text);
    source += source.ends_with('\n') ? "...\n" : "\n...\n";  // yaml-cpp takes a quoted text that the end of the file cuts off for a whole one
    TreeBuilder builder(file, source, limits);
    try {
        std::istringstream in(source);
        YAML::Parser parser(in);
        while (parser.HandleNextDocument(builder)) {}
    } catch (const Refused& r) {
        Problems problems = builder.take_problems();
        problems.push_back({{file, r.line, r.column}, r.path, r.message + advice(text, r.line)});
        return problems;
    } catch (const YAML::Exception& e) {
        Problems problems = builder.take_problems();
        const std::int32_t line = e.mark.is_null() ? 0 : e.mark.line + 1;
        problems.push_back(problem(line, e.mark.is_null() ? 0 : e.mark.column + 1, "is no valid YAML or JSON: " + e.msg + ", allowed: well-formed text, every quote and bracket closed" + advice(text, line)));
        return problems;
    }
    std::vector<Document> documents = builder.take_documents();
    Problems problems = builder.take_problems();
    for (Problem& p : flatten_lists(documents)) problems.push_back(std::move(p));
    if (!problems.empty()) return problems;
    return documents;
}

}  // namespace windtunnel
