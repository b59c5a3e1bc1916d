#pragma once
#include "models/problem.hpp"
#include "models/time.hpp"
#include "scenarios/documents/document.hpp"
#include "scenarios/documents/quantity.hpp"
#include "scenarios/documents/suggest.hpp"

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace windtunnel {

/// The longest time that a file can name, in seconds: the clock ends after 1.46 years.
inline constexpr std::int64_t longest_seconds = 40'000'000;

/// What reading the user's files brought to light.
struct Findings {
    Problems errors;    ///< stop the run
    Problems warnings;  ///< probably not what was meant; `validate --strict` fails on them
    Problems notes;     ///< fields and objects that were left aside because they cannot change the result
};

/// The strict decoder: reads one map of a document into typed values and keeps a list of every key that
/// was asked for, so that `finish` can report the ones that nobody knows.
///
/// Every wrong value is one error in `findings` with file, line, column and path; the getter then returns
/// the same as for a key that is absent, and decoding goes on, so that all problems are found at once.
/// A key whose value is null counts as absent.
class Decoder {
public:
    /// `path` is the node's place for messages ("" = the document's root).
    Decoder(const Node& node, std::string path, const std::string& file, Findings& findings);

    [[nodiscard]] bool has(const std::string& key) const;
    [[nodiscard]] SourcePosition where() const { return m_where; }
    [[nodiscard]] SourcePosition where(const std::string& key) const;
    [[nodiscard]] const std::string& path() const { return m_path; }
    [[nodiscard]] std::string path_of(const std::string& key) const;
    [[nodiscard]] const Node& node() const { return *m_node; }

    /// The value of a key, or nullptr; the key counts as known from now on.
    const Node* take(const std::string& key);

    std::optional<bool> boolean(const std::string& key);
    std::optional<std::string> text(const std::string& key);
    std::optional<std::int64_t> integer(const std::string& key,
                                        std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                                        std::int64_t most = std::numeric_limits<std::int64_t>::max());
    std::optional<std::int32_t> int32(const std::string& key, std::int32_t least, std::int32_t most = INT32_MAX);
    /// Whole seconds of at least `least`, cut to longest_seconds: 2147483647 stands for "never" in many manifests.
    std::optional<Tick> whole_seconds(const std::string& key, std::int64_t least);
    std::optional<double> number(const std::string& key, double least, double most);
    /// A number of seconds, or of milliseconds for keys that end in `_ms`.
    std::optional<Tick> duration(const std::string& key, double least, double most);
    /// A Go duration text (`1h30m`).
    std::optional<Tick> go_duration(const std::string& key);
    std::optional<Quantity> quantity(const std::string& key);
    std::optional<IntOrPercent> int_or_percent(const std::string& key);
    /// A share: `0.9` or `90%`, as a number from 0 to 1.
    std::optional<double> ratio(const std::string& key);
    std::optional<std::int64_t> nano_usd(const std::string& key);
    std::vector<std::string> texts(const std::string& key);
    /// Text or a list of texts.
    std::vector<std::string> text_or_texts(const std::string& key);
    std::map<std::string, std::string> text_map(const std::string& key);
    template <class Enum>
    std::optional<Enum> choice(const std::string& key, const std::vector<std::pair<std::string, Enum>>& allowed);

    /// As `text`, but absent or empty is an error.
    std::string required_text(const std::string& key);
    /// Reports the key as missing.
    void missing(const std::string& key, const std::string& what);

    /// The map under a key; where it is absent, a decoder over an empty map at this place.
    Decoder child(const std::string& key);
    /// The maps of the list under a key.
    std::vector<Decoder> children(const std::string& key);

    /// Known keys that cannot change the result: one note for each that is present. `quiet`: no note.
    void harmless(const std::vector<std::string>& keys);
    void quiet(const std::vector<std::string>& keys);
    /// Known keys that would change the result and are not simulated: an error for each that is present.
    void unsupported(const std::vector<std::string>& keys, const std::string& why);
    /// Reports every key that was not asked for, with the known one that is nearest.
    void finish();

    void error(const std::string& key, const std::string& message);
    void warn(const std::string& key, const std::string& message);
    void note(const std::string& key, const std::string& message);
    [[nodiscard]] Findings& findings() { return *m_findings; }
    [[nodiscard]] const std::string& file() const { return m_file; }

private:
    void wrong(const std::string& key, const Node& found, const std::string& allowed);
    template <class T>
    std::optional<T> accept(const std::string& key, Result<T> result);

    const Node* m_node;
    std::string m_path;
    std::string m_file;
    SourcePosition m_where;
    Findings* m_findings;
    std::set<std::string> m_known;
};

template <class Enum>
std::optional<Enum> Decoder::choice(const std::string& key, const std::vector<std::pair<std::string, Enum>>& allowed) {
    const auto found = text(key);
    if (!found) return std::nullopt;
    std::vector<std::string> names;
    for (const auto& [name, value] : allowed) {
        if (name == *found) return value;
        names.push_back(name);
    }
    error(key, "found \"" + *found + "\", allowed: " + join(names) + did_you_mean(*found, names));
    return std::nullopt;
}

}  // namespace windtunnel
