#pragma once
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace windtunnel {

/// Where something stands in the user's files. `line` and `column` count from 1; 0 = unknown.
struct SourcePosition {
    std::string file;
    std::int32_t line = 0;
    std::int32_t column = 0;
};

/// One thing wrong with (or worth saying about) the user's input.
///
/// `message` is a full clause that says what was found and what is allowed:
/// "found -3, allowed: an integer of at least 0".
struct Problem {
    SourcePosition where;
    std::string path;  ///< inside the document: `spec.replicas`, `workload.synthetic.rate_rps`
    std::string message;
};

using Problems = std::vector<Problem>;

/// "file:line:column: path: message", without the parts that are unknown.
[[nodiscard]] inline std::string to_string(const Problem& p) {
    std::string out = p.where.file;
    if (p.where.line > 0) {
        out += ':' + std::to_string(p.where.line);
        if (p.where.column > 0) out += ':' + std::to_string(p.where.column);
    }
    if (!out.empty()) out += ": ";
    if (!p.path.empty()) out += p.path + ": ";
    return out + p.message;
}

/// A value, or every problem that stopped it from being made, all at once. Bad input is never an exception.
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : m_state(std::move(value)) {}
    Result(Problems problems) : m_state(std::move(problems)) {}
    Result(Problem problem) : m_state(Problems{std::move(problem)}) {}

    [[nodiscard]] bool ok() const { return m_state.index() == 0; }
    explicit operator bool() const { return ok(); }
    [[nodiscard]] T& value() { return std::get<0>(m_state); }
    [[nodiscard]] const T& value() const { return std::get<0>(m_state); }
    T& operator*() { return value(); }
    const T& operator*() const { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    [[nodiscard]] const Problems& problems() const { return std::get<1>(m_state); }
    [[nodiscard]] Problems take_problems() { return std::move(std::get<1>(m_state)); }

private:
    std::variant<T, Problems> m_state;
};

/// Our own mistake, found on the host outside a trial. The command line turns it into exit code 3.
class InternalError : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

}  // namespace windtunnel
