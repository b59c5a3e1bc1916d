#include "cli/console.hpp"

#include "cli/command_line.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace windtunnel {

namespace {

bool is_set(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
}

}  // namespace

bool wants_color(ColorChoice choice) {
    if (choice != ColorChoice::by_terminal) return choice == ColorChoice::on;
    if (is_set("NO_COLOR")) return false;
    if (is_set("CLICOLOR_FORCE") && std::strcmp(std::getenv("CLICOLOR_FORCE"), "0") != 0) return true;
    const char* terminal = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) != 0 && terminal != nullptr && std::strcmp(terminal, "dumb") != 0;
}

std::size_t terminal_width() {
    winsize size{};
    if (::isatty(STDOUT_FILENO) != 0 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 100;
}

bool print_data(std::string_view text) {
    errno = 0;
    if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
        return true;
    print_error(fmt::format("standard output cannot be written: {}", std::strerror(errno)));
    return false;
}

void print_line(std::string_view text) { fmt::print(stderr, "{}\n", text); }

void print_error(std::string_view message) { fmt::print(stderr, "error: {}\n", message); }

void print_errors(const Problems& problems) {
    for (const Problem& p : problems) print_error(to_string(p));
    if (problems.size() > 1) print_line(fmt::format("{} errors", problems.size()));
}

int refuse(const Problems& problems) {
    print_errors(problems);
    return bad_input;
}

}  // namespace windtunnel
