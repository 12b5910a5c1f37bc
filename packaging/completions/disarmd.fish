# SPDX-License-Identifier: Apache-2.0
#
# Completion of disarmd(8) for fish.

function __disarmd_loaded_modules
    test -r /proc/modules
    and string replace -r ' .*' '' </proc/modules
end

# Those that modprobe would find.
function __disarmd_all_modules
    set -l dependencies /lib/modules/(uname -r)/modules.dep
    test -r $dependencies
    and string match -rg '^(?:[^:]*/)?([^/:]+)\.ko[^/:]*:' <$dependencies
end

# Which command the line has; "none", or "other" behind --.
function __disarmd_command
    set -l skip no
    for word in (commandline -opc)[2..]
        if test $skip = yes
            set skip no
            continue
        end
        switch $word
            case --
                echo other
                return
            case --watch-unload --timeout --config --ledger --module --module-file --probe-backend --kind --sort
                set skip yes
            case run list preflight autopsy incidents doctor check-config allow-once release
                echo $word
                return
        end
    end
    echo none
end

# What another command, behind --, would be completed to.
function __disarmd_other
    set -l words (commandline -opc) (commandline -ct)
    complete -C (string join ' ' $words[(math (contains -i -- -- $words) + 1)..])
end

function __disarmd_is
    contains -- (__disarmd_command) $argv
end

complete -c disarmd -f
complete -c disarmd -n '__disarmd_is other' -a '(__disarmd_other)'
complete -c disarmd -n 'not __disarmd_is other' -s h -l help -d 'Print help and exit'

complete -c disarmd -n '__disarmd_is none' -a run -d 'The service, in the foreground'
complete -c disarmd -n '__disarmd_is none' -a list -d 'What is armed now, by module'
complete -c disarmd -n '__disarmd_is none' -a preflight -d 'What a module\'s code says'
complete -c disarmd -n '__disarmd_is none' -a autopsy -d 'Whether a crash was that of such a timer'
complete -c disarmd -n '__disarmd_is none' -a incidents -d 'What the service has recorded'
complete -c disarmd -n '__disarmd_is none' -a doctor -d 'What this kernel lets disarmd see'
complete -c disarmd -n '__disarmd_is none' -a check-config -d 'Whether a configuration is right'
complete -c disarmd -n '__disarmd_is none' -a allow-once -d 'Let one unload of a module through'
complete -c disarmd -n '__disarmd_is none' -a release -d 'Take everything out of the kernel'

complete -c disarmd -n '__disarmd_is none' -l version -d 'Print the version and exit'
complete -c disarmd -n '__disarmd_is none' -s v -l verbose -d 'Say more on stderr'
complete -c disarmd -n '__disarmd_is none' -l watch-unload -xa '(__disarmd_loaded_modules)' -d 'Watch one unload'
complete -c disarmd -n '__disarmd_is none' -l timeout -x -d 'Give up after so many seconds'
complete -c disarmd -n '__disarmd_is none' -l ktap -d 'Print KTAP instead of text'
complete -c disarmd -n '__disarmd_is none list preflight autopsy incidents doctor' -l json -d 'Print JSON instead of text'
complete -c disarmd -n '__disarmd_is none incidents' -l module-file -xa '(__fish_complete_suffix .ko)' -d 'The module with its debug information'
complete -c disarmd -n '__disarmd_is none run incidents' -l config -xa '(__fish_complete_suffix .toml)' -d 'Configuration file'
complete -c disarmd -n '__disarmd_is none run' -l require-enforcement -d 'Fail where rules have no effect'
complete -c disarmd -n '__disarmd_is none run list doctor' -l probe-backend -xa 'auto tracepoint kprobe' -d 'How timers are watched'

complete -c disarmd -n '__disarmd_is list incidents' -l module -xa '(__disarmd_loaded_modules)' -d 'Only this module'
complete -c disarmd -n '__disarmd_is list' -l orphans -d 'Only timers whose module is gone'
complete -c disarmd -n '__disarmd_is list' -l kind -xa 'timer hrtimer delayed_work kthread_delayed_work alarm' -d 'Only timers of this kind'
complete -c disarmd -n '__disarmd_is list' -l sort -xa 'module count rate next' -d 'By what the lines are sorted'
complete -c disarmd -n '__disarmd_is list' -l next -d 'Only the next timers to fire'
complete -c disarmd -n '__disarmd_is list' -l rate -d 'Watch how often timers are armed'
complete -c disarmd -n '__disarmd_is list' -l watch -d 'Look again and again'
complete -c disarmd -n '__disarmd_is list' -l ndjson -d 'Print a JSON object for each timer, on a line'
complete -c disarmd -n '__disarmd_is preflight' -a '(__fish_complete_suffix .ko) (__disarmd_all_modules)'
complete -c disarmd -n '__disarmd_is autopsy' -F
complete -c disarmd -n '__disarmd_is incidents autopsy' -l ledger -rF -d 'Read this file'
complete -c disarmd -n '__disarmd_is check-config' -a '(__fish_complete_suffix .toml)'
complete -c disarmd -n '__disarmd_is allow-once' -a '(__disarmd_loaded_modules)'
