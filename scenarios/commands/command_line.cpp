#include "scenarios/commands/command_line.hpp"

#include <algorithm>
#include <cctype>

namespace windtunnel {
namespace {

std::string program_of(const std::string& word) { return word.substr(word.rfind('/') + 1); }

bool is_shell(const std::string& word) {
    const std::string name = program_of(word);
    return name == "sh" || name == "bash" || name == "dash" || name == "ash" || name == "zsh";
}

/// Programs that start the program among their arguments.
bool is_wrapper(const std::string& word) {
    const std::string name = program_of(word);
    for (const char* known : {"tini", "dumb-init", "env", "nohup", "exec", "sudo", "nice", "ionice", "stdbuf", "timeout", "numactl", "taskset"})
        if (name == known) return true;
    return false;
}

/// Where the shell stands that the words start, past wrappers and their flags; words.size() = none.
std::size_t shell_at(const std::vector<std::string>& words) {
    if (is_shell(words[0])) return 0;
    if (!is_wrapper(words[0])) return words.size();
    for (std::size_t i = 1; i < words.size(); ++i) {
        if (is_shell(words[i])) return i;
        const bool passes = words[i].starts_with("-") || words[i].find('=') != std::string::npos || is_wrapper(words[i]);
        if (!passes) return words.size();
    }
    return words.size();
}

class CommandFinder {
public:
    CommandFinder(ShellContext& context, const CommandTest& wanted) : m_context(context), m_wanted(wanted) {}

    void look(const std::vector<std::string>& words) {
        if (words.empty()) return;
        const std::size_t shell = shell_at(words);
        if (shell < words.size()) return look_in_shell({words.begin() + static_cast<std::ptrdiff_t>(shell), words.end()});
        if (const auto file = m_context.files.find(words[0]); file != m_context.files.end()) return look_in_script(file->second, {words.begin() + 1, words.end()});
        if (m_wanted(words)) m_found.push_back(words);
    }

    std::vector<std::vector<std::string>> found() { return std::move(m_found); }

private:
    void look_in_shell(const std::vector<std::string>& words) {
        for (std::size_t i = 1; i < words.size(); ++i) {
            const std::string& word = words[i];
            if (word == "-o" || word == "+o" || word == "--rcfile") {
                ++i;  // -o pipefail
                continue;
            }
            const bool flag = word.size() > 1 && word[0] == '-';
            if (flag && word[1] != '-' && word.find('c') != std::string::npos) {
                const std::size_t script = i + 1 < words.size() && words[i + 1] == "--" ? i + 2 : i + 1;
                if (script >= words.size()) return;
                // The word after the script is $0.
                const std::size_t rest = std::min(script + 2, words.size());
                return look_in_script(words[script], {words.begin() + static_cast<std::ptrdiff_t>(rest), words.end()});
            }
            if (flag) continue;
            if (const auto file = m_context.files.find(word); file != m_context.files.end()) look_in_script(file->second, {words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end()});
            return;
        }
    }

    void look_in_script(const std::string& script, std::vector<std::string> parameters) {
        if (m_context.depth >= ShellContext::deepest) return;
        ++m_context.depth;
        std::swap(m_context.parameters, parameters);
        for (const std::vector<std::string>& command : shell_commands(script, m_context)) look(command);
        std::swap(m_context.parameters, parameters);
        --m_context.depth;
    }

    ShellContext& m_context;
    const CommandTest& m_wanted;
    std::vector<std::vector<std::string>> m_found;
};

}  // namespace

std::vector<std::string> split_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    for (const char c : text) {
        if (!std::isspace(static_cast<unsigned char>(c))) {
            word += c;
        } else if (!word.empty()) {
            words.push_back(std::move(word));
            word.clear();
        }
    }
    if (!word.empty()) words.push_back(std::move(word));
    return words;
}

std::string expand_kubernetes(std::string_view text, const Environment& environment) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '$') {
            out += '$';
            ++i;
            continue;
        }
        const std::size_t end = text[i] == '$' && i + 1 < text.size() && text[i + 1] == '(' ? text.find(')', i) : std::string_view::npos;
        if (end == std::string_view::npos) {
            out += text[i];
            continue;
        }
        const std::string name(text.substr(i + 2, end - i - 2));
        const auto found = environment.find(name);
        out += found != environment.end() ? found->second : "$(" + name + ")";
        i = end;
    }
    return out;
}

std::vector<std::vector<std::string>> find_commands(const std::vector<std::string>& words, ShellContext& context, const CommandTest& wanted) {
    std::vector<std::string> expanded;
    for (const std::string& word : words) expanded.push_back(expand_kubernetes(word, context.environment));
    CommandFinder finder(context, wanted);
    finder.look(expanded);
    return finder.found();
}

std::vector<std::string> find_command(const std::vector<std::string>& words, const Environment& environment, const CommandTest& wanted) {
    ShellContext context;
    context.environment = environment;
    auto found = find_commands(words, context, wanted);
    return found.empty() ? std::vector<std::string>{} : std::move(found[0]);
}

}  // namespace windtunnel
