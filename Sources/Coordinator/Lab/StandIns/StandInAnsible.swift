// SPDX-License-Identifier: Apache-2.0

/// The stand-in ansible-playbook: says what a play of the given playbook would say, in the form of the callback that it was given, and does
/// nothing. A playbook that holds the word `fail` fails.
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
        guard let bytes = LabFiles.bytes(call.absolute(playbook)) else {
            throw StandInFailure.plain("ERROR! the playbook: \(playbook) could not be found", code: 1)
        }
        try readVariables()
        let fails = String(decoding: bytes, as: UTF8.self).contains("fail")
        let changes = arguments.has("--check") ? 0 : 1
        if call.environment["ANSIBLE_STDOUT_CALLBACK"] == "meshgate_results" {
            let status = fails ? "failed" : "ok"
            call.say(
                #"{"event": "result", "host": "localhost", "task": "stand-in", "status": "\#(status)", "changed": false, "ignored": false, "message": "as told"}"#
            )
            call.say(
                #"{"event": "stats", "hosts": {"localhost": {"ok": \#(fails ? 0 : 1), "changed": \#(changes), "failures": \#(fails ? 1 : 0), "unreachable": 0, "skipped": 0}}}"#
            )
        } else {
            call.say("PLAY [all] *****\n\nTASK [stand-in] *****\nok: [localhost]\n\nPLAY RECAP *****")
            call.say("localhost : ok=1 changed=0 unreachable=0 failed=0 skipped=0 rescued=0 ignored=0")
        }
        if fails { throw StandInFailure.plain("", code: 2) }
    }

    /// As the real one, it does not start when the file with the variables is missing or is no JSON.
    private func readVariables() throws {
        guard let file = arguments["--extra-vars"], file.hasPrefix("@") else { return }
        guard let bytes = LabFiles.bytes(call.absolute(String(file.dropFirst()))), StandInJSON.decode(bytes) != nil else {
            throw StandInFailure.plain("ERROR! Could not read vars file located at \(file)", code: 1)
        }
    }
}
