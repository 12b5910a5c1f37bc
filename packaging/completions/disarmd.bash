# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Completion of disarmd(8) for bash. Needs nothing but bash.

_disarmd_reply() {
    mapfile -t COMPREPLY < <(compgen "$@" -- "${COMP_WORDS[COMP_CWORD]}")
}

# Files that end so, and folders on the way to them.
_disarmd_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -X "!$1" -- "${COMP_WORDS[COMP_CWORD]}"
        compgen -d -- "${COMP_WORDS[COMP_CWORD]}")
}

_disarmd_loaded_modules() {
    cut -d ' ' -f 1 /proc/modules 2>/dev/null
}

# Those that modprobe would find.
_disarmd_all_modules() {
    sed -n 's|^\([^:]*/\)\{0,1\}\([^/:]*\)\.ko[^:/]*:.*|\2|p' "/lib/modules/$(uname -r)/modules.dep" 2>/dev/null
}

_disarmd() {
    local commands='run list preflight autopsy incidents doctor check-config allow-once release'
    local command='' i
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; ++i)); do
        case ${COMP_WORDS[i]} in
        --) # what follows is a command line of its own
            if declare -F _command_offset >/dev/null; then
                _command_offset $((i + 1))
            elif ((i + 1 == COMP_CWORD)); then
                _disarmd_reply -c
            else
                compopt -o filenames 2>/dev/null
                _disarmd_reply -f
            fi
            return
            ;;
        --watch-unload | --timeout | --config | --ledger | --module | --module-file | --probe-backend | --kind | --sort)
            ((++i)) # its value
            ;;
        run | list | preflight | autopsy | incidents | doctor | check-config | allow-once | release)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done

    case ${COMP_WORDS[COMP_CWORD - 1]} in
    --watch-unload | --module)
        _disarmd_reply -W "$(_disarmd_loaded_modules)"
        return
        ;;
    --timeout)
        return
        ;;
    --config)
        _disarmd_files '*.toml'
        return
        ;;
    --ledger)
        _disarmd_files '*'
        return
        ;;
    --module-file)
        _disarmd_files '*.ko*'
        return
        ;;
    --probe-backend)
        _disarmd_reply -W 'auto tracepoint kprobe'
        return
        ;;
    --kind)
        _disarmd_reply -W 'timer hrtimer delayed_work kthread_delayed_work alarm'
        return
        ;;
    --sort)
        _disarmd_reply -W 'module count rate next'
        return
        ;;
    esac

    if [[ ${COMP_WORDS[COMP_CWORD]} == -* ]]; then
        local options='--help'
        case $command in
        '')
            options+=' --version --verbose --watch-unload --timeout --json --ktap --module-file'
            options+=' --config --require-enforcement --probe-backend'
            ;;
        run) options+=' --config --require-enforcement --probe-backend' ;;
        list)
            options+=' --module --kind --orphans --sort --next --rate --watch --json --ndjson'
            options+=' --probe-backend'
            ;;
        preflight) options+=' --json' ;;
        autopsy) options+=' --json --ledger' ;;
        incidents) options+=' --module --ledger --config --json --module-file' ;;
        doctor) options+=' --json --probe-backend' ;;
        esac
        _disarmd_reply -W "$options"
        return
    fi

    case $command in
    '') _disarmd_reply -W "$commands" ;;
    preflight)
        _disarmd_files '*.ko*'
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(
            compgen -W "$(_disarmd_all_modules)" -- "${COMP_WORDS[COMP_CWORD]}")
        ;;
    autopsy) _disarmd_files '*' ;;
    check-config) _disarmd_files '*.toml' ;;
    allow-once) _disarmd_reply -W "$(_disarmd_loaded_modules)" ;;
    esac
}

complete -F _disarmd disarmd
