#include "scenarios/markets/price_readers.hpp"

#include <fmt/format.h>

namespace windtunnel {
namespace {

/// The maps of a Go file: quoted keys, braces and numbers; all else between them is passed over.
class GoTable {
public:
    GoTable(TextInput& text, PriceGatherer& out) : m_text(text), m_out(out) {}

    void read() {
        std::string key;
        while (!m_text.at_end()) {
            const char c = m_text.peek();
            m_out.stand_at(m_text.line() + 1);
            if (c == '/') {
                skip_comment();
            } else if (c == '"') {
                key = quoted();
            } else if (c == '{') {
                if (m_depth > 0 && !key.empty()) m_region = key;
                ++m_depth;
                key.clear();
                m_text.advance();
            } else if (c == '}') {
                if (--m_depth == 1) m_region.clear();
                m_text.advance();
            } else if (c == ':') {
                m_text.advance();
                if (!key.empty() && m_depth >= 2) value(key);
            } else {
                m_text.advance();
            }
        }
    }

private:
    void skip_comment() {
        m_text.advance();
        if (m_text.at_end()) return;
        const bool block = m_text.peek() == '*';
        if (!block && m_text.peek() != '/') return;
        char before = 0;
        while (!m_text.at_end()) {
            const char c = m_text.peek();
            m_text.advance();
            if (block ? before == '*' && c == '/' : c == '\n') return;
            before = c;
        }
    }
    std::string quoted() {
        std::string out;
        m_text.advance();
        while (!m_text.at_end() && m_text.peek() != '"' && m_text.peek() != '\n') {
            out += m_text.peek();
            m_text.advance();
        }
        if (!m_text.at_end()) m_text.advance();
        return out;
    }
    /// What stands behind a key: a number is its price, a brace is left to the caller.
    void value(const std::string& type) {
        while (!m_text.at_end() && (m_text.peek() == ' ' || m_text.peek() == '\t' || m_text.peek() == '\n' || m_text.peek() == '\r')) m_text.advance();
        std::string text;
        while (!m_text.at_end() && std::string_view("+-.eE0123456789").find(m_text.peek()) != std::string_view::npos) {
            text += m_text.peek();
            m_text.advance();
        }
        if (text.empty()) return;
        PriceRow facts;
        facts.instance_type = type;
        facts.region = m_region;
        if (m_region.empty()) return m_out.refuse(type, "has a price outside of a region, allowed: regions that hold prices by instance type");
        if (const auto price = m_out.money(m_region + "." + type, text)) m_out.set(facts, PriceWay::on_demand, *price, "");
    }

    TextInput& m_text;
    PriceGatherer& m_out;
    int m_depth = 0;
    std::string m_region;
};

}  // namespace

Result<PriceList> read_price_go(TextInput& text, const std::string& name) {
    PriceGatherer out(name);
    GoTable(text, out).read();
    return out.finish("", "a map of regions that hold prices by instance type, as Karpenter's zz_generated.pricing_aws.go");
}

}  // namespace windtunnel
