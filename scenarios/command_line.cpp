#include "scenarios/command_line.hpp"

#include <algorithm>
#include <cctype>

namespace windtunnel {
namespace {

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

/// NAME=value at the start of a command.
bool is_assignment(const std::string& word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0 || std::isdigit(static_cast<unsigned char>(word[0]))) return false;
    for (std::size_t i = 0; i < equals; ++i)
        if (!is_name(word[i])) return false;
    return true;
}

bool is_shell(const std::string& word) {
    const std::string name = word.substr(word.rfind('/') + 1);
    return name == "sh" || name == "bash" || name == "dash" || name == "ash" || name == "zsh";
}

/// Reads a variable at `i` (which is at '$') and moves past it; a lone '$' stands for itself.
std::string expand_variable(std::string_view script, std::size_t& i, const Environment& environment) {
    const auto value = [&](const std::string& name, const std::string& fallback) {
        const auto found = environment.find(name);
        return found != environment.end() && !(found->second.empty() && !fallback.empty()) ? found->second : fallback;
    };
    ++i;
    if (i < script.size() && script[i] == '{') {
        const std::size_t end = script.find('}', i);
        if (end == std::string_view::npos) return "$";
        const std::string inside(script.substr(i + 1, end - i - 1));
        i = end + 1;
        const std::size_t colon = inside.find(":-");
        if (colon != std::string::npos) return value(inside.substr(0, colon), inside.substr(colon + 2));
        return value(inside, "");
    }
    std::size_t end = i;
    while (end < script.size() && is_name(script[end])) ++end;
    if (end == i) return "$";
    const std::string name(script.substr(i, end - i));
    i = end;
    return value(name, "");
}

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

std::vector<std::vector<std::string>> shell_commands(std::string_view script, Environment& environment) {
    std::vector<std::vector<std::string>> commands;
    std::vector<std::string> command;
    std::string word;
    bool in_word = false;
    const auto end_word = [&] {
        if (in_word) command.push_back(word);
        word.clear();
        in_word = false;
    };
    const auto end_command = [&] {
        end_word();
        const bool exporting = !command.empty() && command[0] == "export";
        if (exporting) command.erase(command.begin());
        while (!command.empty() && is_assignment(command[0])) {
            const std::size_t equals = command[0].find('=');
            environment[command[0].substr(0, equals)] = command[0].substr(equals + 1);
            command.erase(command.begin());
        }
        if (!command.empty() && command[0] == "exec") command.erase(command.begin());
        if (!command.empty() && !exporting) commands.push_back(command);
        command.clear();
    };
    for (std::size_t i = 0; i < script.size();) {
        const char c = script[i];
        if (c == '\\' && i + 1 < script.size()) {
            const bool carriage = script[i + 1] == '\r' && i + 2 < script.size() && script[i + 2] == '\n';
            if (script[i + 1] != '\n' && !carriage) {
                word += script[i + 1];
                in_word = true;
            }
            i += carriage ? 3 : 2;
        } else if (c == '\'') {
            const std::size_t end = std::min(script.find('\'', i + 1), script.size());
            word += script.substr(i + 1, end - i - 1);
            in_word = true;
            i = end + 1;
        } else if (c == '"') {
            in_word = true;
            for (++i; i < script.size() && script[i] != '"';) {
                if (script[i] == '\\' && i + 1 < script.size() && std::string_view("\"\\$`\n").find(script[i + 1]) != std::string_view::npos) {
                    if (script[i + 1] != '\n') word += script[i + 1];
                    i += 2;
                } else if (script[i] == '$') {
                    word += expand_variable(script, i, environment);
                } else {
                    word += script[i++];
                }
            }
            ++i;
        } else if (c == '$') {
            const std::string value = expand_variable(script, i, environment);
            const std::vector<std::string> parts = split_words(value);
            for (std::size_t part = 0; part < parts.size(); ++part) {  // unquoted values are split
                if (part > 0) end_word();
                word += parts[part];
                in_word = true;
            }
        } else if (c == '#' && !in_word) {
            i = std::min(script.find('\n', i), script.size());
        } else if (c == '\n' || c == ';' || c == '&' || c == '|') {
            end_command();
            ++i;
        } else if (c == ' ' || c == '\t' || c == '\r') {
            end_word();
            ++i;
        } else {
            word += c;
            in_word = true;
            ++i;
        }
    }
    end_command();
    return commands;
}

std::vector<std::string> find_command(const std::vector<std::string>& words, Environment environment,
                                      const std::function<bool(const std::vector<std::string>&)>& wanted) {
    if (words.empty()) return {};
    std::vector<std::string> expanded;
    for (const std::string& word : words) expanded.push_back(expand_kubernetes(word, environment));
    if (is_shell(expanded[0])) {
        for (std::size_t i = 1; i + 1 < expanded.size(); ++i) {
            const bool script_flag = expanded[i].size() > 1 && expanded[i][0] == '-' && expanded[i].back() == 'c' && expanded[i][1] != '-';
            if (!script_flag) continue;
            for (std::vector<std::string>& command : shell_commands(expanded[i + 1], environment))
                if (wanted(command)) return command;
            return {};
        }
        return {};
    }
    return wanted(expanded) ? expanded : std::vector<std::string>{};
}

}  // namespace windtunnel
