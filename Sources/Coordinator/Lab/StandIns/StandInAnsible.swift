// SPDX-License-Identifier: Apache-2.0

/// The stand-in ansible-playbook: says what a play of the given playbook would say, and does nothing.
struct StandInAnsible: Sendable {
    private let call: StandInCall
    private let arguments: StandInArguments

    init(_ call: StandInCall) throws {
        self.call = call
        arguments = try StandInArguments(
            call.arguments, valued: ["--extra-vars", "--inventory", "--limit"], switches: ["--version", "--help", "--check", "--diff"],
            short: ["-e": "--extra-vars", "-i": "--inventory", "-l": "--limit", "-h": "--help"])
    }

    func run() throws {
        if arguments.has("--version") || arguments.has("--help") {
            return call.say("ansible-playbook [stand-in of the Meshgate Lab, as core 2.19.3]")
        }
        guard let playbook = arguments.words.first else {
            throw StandInFailure.plain("ERROR! You must specify a playbook file to run", code: 2)
        }
        guard LabFiles.exists(call.absolute(playbook)) else {
            throw StandInFailure.plain("ERROR! the playbook: \(playbook) could not be found", code: 1)
        }
        call.say("PLAY [all] *****\n\nTASK [stand-in] *****\nok: [localhost]\n\nPLAY RECAP *****")
        call.say("localhost : ok=1 changed=0 unreachable=0 failed=0 skipped=0 rescued=0 ignored=0")
    }
}
