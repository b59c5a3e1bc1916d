#pragma once
#include "scenarios/documents/byte_source.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// Without the blanks and tabs at both ends.
inline std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

/// Text read through one large buffer: by lines (views into the buffer, nothing copied) or by characters.
/// Counts lines from 1. A UTF-8 byte-order mark at the start is skipped.
class TextInput {
public:
    explicit TextInput(ByteSource& source) : m_source(source), m_buffer(first_capacity) {
        fill();
        if (m_end - m_begin >= 3 && std::memcmp(&m_buffer[m_begin], "\xef\xbb\xbf", 3) == 0) m_begin += 3;
    }

    /// The next line without its "\n" or "\r\n"; valid until the next call. False at the end.
    [[nodiscard]] bool next_line(std::string_view& line) {
        std::size_t searched = 0;
        for (;;) {
            const char* from = m_buffer.data() + m_begin;
            const auto* newline =
                static_cast<const char*>(std::memchr(from + searched, '\n', m_end - m_begin - searched));
            if (newline != nullptr) {
                const auto length = static_cast<std::size_t>(newline - from);
                m_begin += length + 1;
                ++m_line;
                line = {from, length > 0 && from[length - 1] == '\r' ? length - 1 : length};
                return true;
            }
            searched = m_end - m_begin;
            if (!fill()) break;
        }
        if (m_begin == m_end) return false;
        const char* from = m_buffer.data() + m_begin;
        std::size_t length = m_end - m_begin;
        m_begin = m_end;
        ++m_line;
        if (from[length - 1] == '\r') --length;
        line = {from, length};
        return true;
    }

    [[nodiscard]] bool at_end() { return m_begin == m_end && !fill(); }
    /// The next character; requires !at_end().
    [[nodiscard]] char peek() const { return m_buffer[m_begin]; }
    void advance() {
        if (m_buffer[m_begin++] == '\n') ++m_line;
    }

    /// All that has not been read yet.
    [[nodiscard]] std::string rest() {
        std::string out;
        while (!at_end()) {
            out += buffered();
            m_line += std::count(buffered().begin(), buffered().end(), '\n');
            m_begin = m_end;
        }
        return out;
    }

    /// What lies in the buffer and has not been read yet (up to 1 MiB at the start).
    [[nodiscard]] std::string_view buffered() const { return {m_buffer.data() + m_begin, m_end - m_begin}; }
    /// By lines: the number of the line that was returned last. By characters: whole lines passed.
    [[nodiscard]] std::int64_t line() const { return m_line; }
    [[nodiscard]] const ByteSource& source() const { return m_source; }

private:
    static constexpr std::size_t first_capacity = std::size_t{1} << 20;

    /// Reads more behind what is left; grows the buffer when one line fills it. False at the end.
    bool fill() {
        if (m_begin > 0) {
            std::memmove(m_buffer.data(), m_buffer.data() + m_begin, m_end - m_begin);
            m_end -= m_begin;
            m_begin = 0;
        }
        if (m_end == m_buffer.size()) m_buffer.resize(m_buffer.size() * 2);
        const std::size_t n = m_source.read(m_buffer.data() + m_end, m_buffer.size() - m_end);
        m_end += n;
        return n > 0;
    }

    ByteSource& m_source;
    std::vector<char> m_buffer;
    std::size_t m_begin = 0, m_end = 0;
    std::int64_t m_line = 0;
};

}  // namespace windtunnel
