#include "scenarios/commands/shell_script.hpp"

#include "scenarios/commands/shell_arithmetic.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace windtunnel {
namespace {

bool is_name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/// Length of NAME= or NAME+= at the start of a word; 0 = it is no assignment.
std::size_t assignment_length(const std::string& word) {
    std::size_t end = 0;
    while (end < word.size() && is_name_char(word[end])) ++end;
    if (end == 0 || std::isdigit(static_cast<unsigned char>(word[0]))) return 0;
    if (end + 1 < word.size() && word[end] == '+' && word[end + 1] == '=') return end + 2;
    return end < word.size() && word[end] == '=' ? end + 1 : 0;
}

std::vector<std::string> words_between_blanks(const std::string& text) {
    std::vector<std::string> out;
    std::string word;
    for (const char c : text + " ") {
        if (!std::isspace(static_cast<unsigned char>(c))) {
            word += c;
        } else if (!word.empty()) {
            out.push_back(std::move(word));
            word.clear();
        }
    }
    return out;
}

/// The end of what begins with `open` before `at`: the index of the matching `close`, past quotes; npos = none.
std::size_t matching(std::string_view text, std::size_t at, char open, char close) {
    int depth = 1;
    for (std::size_t i = at; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == '\'' && open == '(') {
            i = text.find('\'', i + 1);
            if (i == std::string_view::npos) return i;
        } else if (text[i] == open) {
            ++depth;
        } else if (text[i] == close && --depth == 0) {
            return i;
        }
    }
    return std::string_view::npos;
}

std::optional<std::int64_t> integer_of(const std::string& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

bool contains(std::string_view text, const char* part) { return text.find(part) != std::string_view::npos; }

/// What a test such as [ "$A" = b ] says; empty = unknown.
std::optional<bool> test_of(std::vector<std::string> words, bool used_unset) {
    if (words.empty()) return std::nullopt;
    if (words[0] == "true") return true;
    if (words[0] == "false") return false;
    if (words[0] != "[" && words[0] != "[[" && words[0] != "test") return std::nullopt;
    words.erase(words.begin());
    if (!words.empty() && (words.back() == "]" || words.back() == "]]")) words.pop_back();
    bool negated = false;
    if (!words.empty() && words[0] == "!") {
        negated = true;
        words.erase(words.begin());
    }
    const auto known = [](const std::string& w) { return !contains(w, "$(") && !contains(w, "`"); };
    if (!std::all_of(words.begin(), words.end(), known)) return std::nullopt;
    std::optional<bool> out;
    if (words.size() == 2 && words[0] == "-z") out = words[1].empty();
    if (words.size() == 2 && words[0] == "-n") out = !words[1].empty();
    if (words.size() == 1 && (words[0] == "-z" || words[0] == "-n")) out = words[0] == "-z";  // of nothing at all
    if (words.size() == 3 && !used_unset) {
        const auto a = integer_of(words[0]), b = integer_of(words[2]);
        if (words[1] == "=" || words[1] == "==") out = words[0] == words[2];
        else if (words[1] == "!=") out = words[0] != words[2];
        else if (a && b && words[1] == "-eq") out = *a == *b;
        else if (a && b && words[1] == "-ne") out = *a != *b;
        else if (a && b && words[1] == "-gt") out = *a > *b;
        else if (a && b && words[1] == "-ge") out = *a >= *b;
        else if (a && b && words[1] == "-lt") out = *a < *b;
        else if (a && b && words[1] == "-le") out = *a <= *b;
    }
    return out && negated ? std::optional<bool>(!*out) : out;
}

class ShellReader {
public:
    ShellReader(std::string_view script, ShellContext& context) : m_script(script), m_context(context) {}

    std::vector<std::vector<std::string>> commands() {
        while (m_at < m_script.size()) step();
        end_command("");
        return std::move(m_commands);
    }

    /// The words of a text without commands: of an array or an operand.
    std::vector<std::string> words() {
        m_only_words = true;
        while (m_at < m_script.size()) step();
        end_word();
        return std::move(m_command);
    }

private:
    void step() {
        const char c = m_script[m_at];
        if (c == '\\') return backslash();
        if (c == '\'') return single_quotes();
        if (c == '"') return double_quotes();
        if (c == '$' || c == '`') return unquoted_value();
        if (c == '#' && !m_in_word) {
            m_at = std::min(m_script.find('\n', m_at), m_script.size());
            return;
        }
        if (is_blank(c) || (c == '\n' && m_only_words)) {
            end_word();
            ++m_at;
            return;
        }
        if (!m_only_words && (c == '<' || c == '>' || (c == '&' && peek(1) == '>'))) return redirection();
        if (!m_only_words && c == '(' && m_in_word && assignment_length(m_word) == m_word.size()) return array();
        if (!m_only_words && contains("\n;&|()", std::string(1, c).c_str())) return separator();
        m_word += c;
        m_in_word = true;
        ++m_at;
    }

    [[nodiscard]] char peek(std::size_t ahead) const { return m_at + ahead < m_script.size() ? m_script[m_at + ahead] : '\0'; }

    void backslash() {
        const std::size_t newline = peek(1) == '\r' && peek(2) == '\n' ? 2 : peek(1) == '\n' ? 1 : 0;
        if (newline == 0 && m_at + 1 < m_script.size()) {
            m_word += m_script[m_at + 1];
            m_in_word = true;
        }
        m_at += newline == 0 ? 2 : newline + 1;
    }

    void single_quotes() {
        const std::size_t end = std::min(m_script.find('\'', m_at + 1), m_script.size());
        m_word += m_script.substr(m_at + 1, end - m_at - 1);
        m_in_word = true;
        m_at = end + 1;
    }

    void double_quotes() {
        ++m_at;
        bool list_only = false;  // "$@" of nothing gives no word at all
        const bool was_in_word = m_in_word;
        m_in_word = true;
        while (m_at < m_script.size() && m_script[m_at] != '"') {
            const char c = m_script[m_at];
            if (c == '\\' && contains("\"\\$`\n", std::string(1, peek(1)).c_str()) && m_at + 1 < m_script.size()) {
                if (peek(1) != '\n') m_word += peek(1);
                m_at += 2;
            } else if (c == '$' || c == '`') {
                if (const auto list = list_value()) {
                    for (std::size_t i = 0; i < list->size(); ++i) {
                        if (i > 0) end_word();
                        m_word += (*list)[i];
                        m_in_word = true;
                    }
                    list_only = list->empty();
                } else {
                    m_word += value();
                }
            } else {
                m_word += c;
                ++m_at;
            }
        }
        ++m_at;
        if (list_only && m_word.empty() && !was_in_word) m_in_word = false;
    }

    void unquoted_value() {
        std::vector<std::string> parts;
        if (const auto list = list_value()) parts = *list;
        else {
            const std::string text = value();
            // What stays as a command or an unknown variable is one word.
            parts = contains(text, "$(") || contains(text, "`") ? std::vector<std::string>{text} : words_between_blanks(text);
        }
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (i > 0) end_word();
            m_word += parts[i];
            m_in_word = true;
        }
    }

    /// "$@", $*, ${NAME[@]}: moves past it and gives its words; empty = something else is here.
    std::optional<std::vector<std::string>> list_value() {
        if (m_script[m_at] != '$') return std::nullopt;
        if (peek(1) == '@' || peek(1) == '*') {
            m_at += 2;
            return m_context.parameters;
        }
        if (peek(1) != '{') return std::nullopt;
        const std::size_t end = m_script.find('}', m_at);
        if (end == std::string_view::npos) return std::nullopt;
        const std::string inside(m_script.substr(m_at + 2, end - m_at - 2));
        const std::string name = inside.substr(0, inside.find('['));
        if (inside != "@" && inside != "*" && inside != name + "[@]" && inside != name + "[*]") return std::nullopt;
        m_at = end + 1;
        if (inside == "@" || inside == "*") return m_context.parameters;
        const auto array = m_context.arrays.find(name);
        if (array != m_context.arrays.end()) return array->second;
        const auto plain = m_context.environment.find(name);
        return plain == m_context.environment.end() ? std::vector<std::string>{} : words_between_blanks(plain->second);
    }

    /// The value of what begins with '$' or '`' here; moves past it. A lone '$' stands for itself.
    std::string value() {
        const char next = peek(1);
        if (m_script[m_at] == '`') {
            const std::size_t end = m_script.find('`', m_at + 1);
            if (end == std::string_view::npos) return std::string(1, m_script[m_at++]);
            const std::string_view inside = m_script.substr(m_at + 1, end - m_at - 1);
            m_at = end + 1;
            return substitution(inside);
        }
        if (next == '(') {
            const std::size_t end = matching(m_script, m_at + 2, '(', ')');
            if (end == std::string_view::npos) return std::string(1, m_script[m_at++]);
            const std::string_view inside = m_script.substr(m_at + 2, end - m_at - 2);
            m_at = end + 1;
            return substitution(inside);
        }
        if (next == '{') {
            const std::size_t end = matching(m_script, m_at + 2, '{', '}');
            if (end == std::string_view::npos) return std::string(1, m_script[m_at++]);
            const std::string inside(m_script.substr(m_at + 2, end - m_at - 2));
            m_at = end + 1;
            return parameter(inside);
        }
        if (next == '#') {
            m_at += 2;
            return std::to_string(m_context.parameters.size());
        }
        if (next == '?' || next == '$' || next == '!') {
            m_at += 2;
            return "0";
        }
        std::size_t end = m_at + 1;
        if (end < m_script.size() && std::isdigit(static_cast<unsigned char>(m_script[end]))) ++end;
        else
            while (end < m_script.size() && is_name_char(m_script[end])) ++end;
        if (end == m_at + 1) return std::string(1, m_script[m_at++]);
        const std::string name(m_script.substr(m_at + 1, end - m_at - 1));
        m_at = end;
        const auto found = lookup(name);
        m_used_unset = m_used_unset || !found;
        return found.value_or("");
    }

    [[nodiscard]] std::optional<std::string> lookup(const std::string& name) const {
        if (const auto number = integer_of(name)) {
            if (*number >= 1 && *number <= static_cast<std::int64_t>(m_context.parameters.size())) return m_context.parameters[static_cast<std::size_t>(*number - 1)];
            return std::nullopt;
        }
        if (const auto found = m_context.environment.find(name); found != m_context.environment.end()) return found->second;
        const auto array = m_context.arrays.find(name);
        return array == m_context.arrays.end() || array->second.empty() ? std::nullopt : std::optional(array->second[0]);
    }

    /// The inside of ${...}.
    std::string parameter(const std::string& inside) {
        std::size_t end = 0;
        while (end < inside.size() && is_name_char(inside[end])) ++end;
        const std::string name = inside.substr(0, end);
        std::string rest = inside.substr(end);
        const auto found = lookup(name);
        if (name.empty()) return "${" + inside + "}";
        if (rest.empty()) {
            m_used_unset = m_used_unset || !found;
            return found.value_or("");
        }
        const bool colon = rest[0] == ':' && rest.size() > 1 && contains("-=?+", std::string(1, rest[1]).c_str());
        if (colon) rest.erase(0, 1);
        const bool has = found && !(colon && found->empty());
        const auto operand = [&] { return expand(rest.substr(1)); };
        switch (rest[0]) {
            case '-': return has ? *found : operand();
            case '=':
                if (!has) m_context.environment[name] = operand();
                return has ? *found : m_context.environment[name];
            case '?': return found.value_or("");
            case '+': return has ? operand() : "";
            case '#':
            case '%': return trimmed(found.value_or(""), rest);
            default: break;
        }
        return "${" + inside + "}";
    }

    /// ${NAME##*/} and ${NAME%.*}: a pattern with at most one '*', at its outer end.
    static std::string trimmed(const std::string& text, const std::string& rest) {
        const bool longest = rest.size() > 1 && rest[1] == rest[0];
        std::string pattern = rest.substr(longest ? 2 : 1);
        const bool front = rest[0] == '#';
        const std::size_t star = front ? pattern.find('*') : pattern.rfind('*');
        if (star == std::string::npos) {
            if (front && text.starts_with(pattern)) return text.substr(pattern.size());
            return !front && text.ends_with(pattern) ? text.substr(0, text.size() - pattern.size()) : text;
        }
        if (star != (front ? 0 : pattern.size() - 1)) return text;
        pattern.erase(star, 1);
        if (pattern.empty()) return longest ? "" : text;
        const std::size_t at = front == longest ? text.rfind(pattern) : text.find(pattern);
        if (at == std::string::npos) return text;
        return front ? text.substr(at + pattern.size()) : text.substr(0, at);
    }

    std::string expand(const std::string& text) {
        const std::vector<std::string> parts = ShellReader(text, m_context).words();
        std::string out;
        for (const std::string& part : parts) out += (out.empty() ? "" : " ") + part;
        return out;
    }

    /// $(...): what can be told of its output; else itself.
    std::string substitution(std::string_view inside) {
        if (inside.size() > 1 && inside.front() == '(' && inside.back() == ')') {
            const auto variable = [&](const std::string& name) { return lookup(name); };
            if (const auto number = shell_arithmetic(expand(std::string(inside.substr(1, inside.size() - 2))), variable)) return std::to_string(*number);
        }
        const bool lists = contains(inside, "-L") || contains(inside, "--list-gpus") || contains(inside, "--query-gpu");
        if (contains(inside, "nvidia-smi") && lists && (contains(inside, "wc -l") || contains(inside, "grep -c")) && m_context.gpus > 0) return std::to_string(m_context.gpus);
        if (!contains(inside, "|") && m_context.depth < ShellContext::deepest) {
            const std::vector<std::string> command = ShellReader(inside, m_context).words();
            if (command.size() > 1 && command[0] == "echo") {
                std::string out;
                for (std::size_t i = command[1] == "-n" ? 2 : 1; i < command.size(); ++i) out += (out.empty() ? "" : " ") + command[i];
                return out;
            }
            if (command.size() == 2 && command[0] == "cat")
                if (const auto file = m_context.files.find(command[1]); file != m_context.files.end()) return file->second.substr(0, file->second.find_last_not_of('\n') + 1);
        }
        return "$(" + std::string(inside) + ")";
    }

    void array() {
        const std::size_t end = matching(m_script, m_at + 1, '(', ')');
        if (end == std::string_view::npos) return separator();
        const std::size_t equals = m_word.find('=');
        const bool adds = m_word[equals - 1] == '+';
        std::vector<std::string>& target = m_context.arrays[m_word.substr(0, adds ? equals - 1 : equals)];
        std::vector<std::string> items = ShellReader(m_script.substr(m_at + 1, end - m_at - 1), m_context).words();
        if (!adds) target.clear();
        target.insert(target.end(), items.begin(), items.end());
        m_word.clear();
        m_in_word = false;
        m_at = end + 1;
    }

    /// `> file`, `2>&1`, `&> file`, `<<EOF`: its words are no part of the command.
    void redirection() {
        if (m_in_word && std::all_of(m_word.begin(), m_word.end(), [](char c) { return std::isdigit(static_cast<unsigned char>(c)); })) {
            m_word.clear();  // the descriptor
            m_in_word = false;
        }
        end_word();
        if (m_script[m_at] == '&') ++m_at;
        const bool here = m_script[m_at] == '<' && peek(1) == '<' && peek(2) != '<';
        while (m_at < m_script.size() && contains("<>&|", std::string(1, m_script[m_at]).c_str())) ++m_at;
        if (here) {
            m_here_strips_tabs = peek(0) == '-';
            if (m_here_strips_tabs) ++m_at;
        }
        m_target = here ? Target::delimiter : Target::file;
    }

    void separator() {
        const char c = m_script[m_at];
        std::string kind(1, c);
        if ((c == '&' || c == '|') && peek(1) == c) kind += c;
        m_at += kind.size();
        end_word();
        if (c == '\n') read_here_document();
        end_command(kind);
    }

    void end_word() {
        if (!m_in_word) return;
        if (m_target == Target::file) m_output = m_word;
        else if (m_target == Target::delimiter) m_delimiter = m_word;
        else m_command.push_back(m_word);
        m_target = Target::none;
        m_word.clear();
        m_in_word = false;
    }

    /// The lines after a `<<EOF`, up to EOF; `cat > FILE <<EOF` makes the file.
    void read_here_document() {
        if (m_delimiter.empty()) return;
        std::string text;
        while (m_at < m_script.size()) {
            const std::size_t end = std::min(m_script.find('\n', m_at), m_script.size());
            std::string line(m_script.substr(m_at, end - m_at));
            m_at = std::min(end + 1, m_script.size());
            if (m_here_strips_tabs) line.erase(0, std::min(line.find_first_not_of('\t'), line.size()));
            if (line == m_delimiter) break;
            text += line + "\n";
        }
        if (!m_command.empty() && m_command[0] == "cat" && !m_output.empty()) m_context.files[m_output] = text;
        m_delimiter.clear();
    }

    struct Branch {
        std::optional<bool> taken;  ///< what the branch at hand's test said
        bool earlier = false;       ///< a branch before it is known to be taken
    };

    [[nodiscard]] bool skipped() const {
        return std::any_of(m_branches.begin(), m_branches.end(), [](const Branch& b) { return b.taken == false; });
    }

    void end_command(const std::string& separator_kind) {
        end_word();
        m_output.clear();
        std::vector<std::string> command = std::move(m_command);
        m_command.clear();
        const bool used_unset = m_used_unset;
        m_used_unset = false;
        const bool leave_out = m_skip_next;
        m_skip_next = false;
        while (!command.empty() && keyword(command, used_unset)) {}
        if (command.empty()) return;
        if (leave_out) return;
        const std::optional<bool> said = test_of(command, used_unset);
        if (said && separator_kind == "&&") m_skip_next = !*said;
        if (said && separator_kind == "||") m_skip_next = *said;
        if (skipped() || said || command[0] == "[" || command[0] == "[[") return;
        run(std::move(command));
    }

    /// Takes a keyword off the front of a command; false = there is none.
    bool keyword(std::vector<std::string>& command, bool used_unset) {
        const std::string word = command[0];
        if (word == "if" || word == "elif") {
            command.erase(command.begin());
            const auto said = test_of(command, used_unset);
            if (word == "if") m_branches.push_back({said, false});
            else if (!m_branches.empty()) {
                Branch& b = m_branches.back();
                b.earlier = b.earlier || b.taken == true;
                b.taken = b.earlier ? std::optional<bool>(false) : said;
            }
            return true;
        }
        if (word == "else") {
            if (!m_branches.empty()) {
                Branch& b = m_branches.back();
                if (b.earlier || b.taken == true) b.taken = false;
                else if (b.taken == false) b.taken = true;
            }
        } else if (word == "fi") {
            if (!m_branches.empty()) m_branches.pop_back();
        } else if (word != "then" && word != "do" && word != "done" && word != "{" && word != "}" && word != "!" && word != "time" && word != "nohup" && word != "command" &&
                   word != "exec" && word != "builtin" && word != "while" && word != "until") {
            return false;
        }
        command.erase(command.begin());
        return true;
    }

    void run(std::vector<std::string> command) {
        const bool declares = command[0] == "export" || command[0] == "declare" || command[0] == "local" || command[0] == "readonly" || command[0] == "typeset";
        if (declares) command.erase(command.begin());
        while (!command.empty()) {
            if (declares && command[0].starts_with("-")) {
                command.erase(command.begin());
                continue;
            }
            const std::size_t length = assignment_length(command[0]);
            if (length == 0) break;
            const bool adds = command[0][length - 2] == '+';
            std::string& target = m_context.environment[command[0].substr(0, length - (adds ? 2 : 1))];
            target = (adds ? target : "") + command[0].substr(length);
            command.erase(command.begin());
        }
        while (!command.empty() && (command[0] == "exec" || command[0] == "nohup")) command.erase(command.begin());
        if (command.empty() || declares) return;
        if (command[0] == "set") {
            const auto marker = std::find(command.begin(), command.end(), "--");
            if (marker != command.end()) m_context.parameters.assign(marker + 1, command.end());
            return;
        }
        if (command[0] == "shift") {
            if (!m_context.parameters.empty()) m_context.parameters.erase(m_context.parameters.begin());
            return;
        }
        std::string script;
        if (command[0] == "eval")
            for (std::size_t i = 1; i < command.size(); ++i) script += (i > 1 ? " " : "") + command[i];
        if ((command[0] == "source" || command[0] == ".") && command.size() > 1)
            if (const auto file = m_context.files.find(command[1]); file != m_context.files.end()) script = file->second;
        if (script.empty() || m_context.depth >= ShellContext::deepest) {
            m_commands.push_back(std::move(command));
            return;
        }
        ++m_context.depth;
        for (auto& inner : ShellReader(script, m_context).commands()) m_commands.push_back(std::move(inner));
        --m_context.depth;
    }

    enum class Target : std::uint8_t { none, file, delimiter };

    std::string_view m_script;
    ShellContext& m_context;
    std::size_t m_at = 0;
    bool m_only_words = false;
    std::string m_word;
    bool m_in_word = false;
    std::vector<std::string> m_command;
    std::vector<std::vector<std::string>> m_commands;
    Target m_target = Target::none;    ///< what the next word is, if no word of the command
    std::string m_output, m_delimiter;
    bool m_here_strips_tabs = false;
    bool m_used_unset = false;         ///< the command at hand expanded a variable that nothing sets
    bool m_skip_next = false;          ///< after `[ known ] &&`
    std::vector<Branch> m_branches;
};

}  // namespace

std::vector<std::vector<std::string>> shell_commands(std::string_view script, ShellContext& context) {
    return ShellReader(script, context).commands();
}

}  // namespace windtunnel
