// SPDX-License-Identifier: Apache-2.0

import Linting
import MeshTesting
import Testing
import TreeLinting

@Suite("HCL reader")
struct HCLReaderTests {
    @Test("blocks, labels, nested and dynamic blocks, attributes of every kind")
    func structure() throws {
        let file = HCLReader.read(
            """
            # comment
            resource "vm" "worker" { // here
              count = 3
              name  = "w-${count.index + 1}" /* and here */
              on    = true
              none  = null
              tags  = ["a", "b",]
              map   = { a = 1, "b" : 2
                (var.k) = 3 }
              disk { size = 1 }
              dynamic "disk" {
                for_each = var.disks
                content {
                  size = disk.value.size
                }
              }
            }
            one = 1
            """)
        #expect(file.faults == [])
        let block = try #require(file.body.blocks.first)
        #expect(block.labels == ["vm", "worker"])
        #expect(block.body.attributes.map(\.name) == ["count", "name", "on", "none", "tags", "map"])
        #expect(block.body.attribute("name")?.value.textWithHoles == "w-${...}")
        #expect(block.body.attribute("tags")?.value.elements.map(\.plainText) == ["a", "b"])
        #expect(block.body.attribute("map")?.value.items.map(\.name) == ["a", "b", nil])
        #expect(block.body.blocks("disk").count == 2)
        #expect(file.body.attribute("one")?.value.textWithHoles == "1")
        #expect(file.source.place(block.offset) == SourcePlace(line: 2, column: 1))
    }

    @Test("references with indices, splats, functions, conditions and loops are kept with their names")
    func references() throws {
        let file = HCLReader.read(
            """
            a = module.east.kubeconfig
            b = data.http.x[0].body
            c = vm.w[*].ip
            d = lookup(var.disks, each.key, [])
            e = var.on ? local.yes : local.no
            f = { for k, v in var.nodes : k => v.ip... if v.up }
            g = [for v in keys(var.nodes) : vm.w[v].addresses[7][0]]
            h = provider::talos::decode(var.x)
            i = !var.a && (var.b ||
              var.c) == -var.d
            j = vm.legacy.0.ip
            """)
        #expect(file.faults == [])
        let found = file.body.attributes.map { $0.value.references.map(\.path) }
        #expect(
            found == [
                ["module.east.kubeconfig"], ["data.http.x"], ["vm.w"], ["var.disks", "each.key"], ["var.on", "local.yes", "local.no"],
                ["var.nodes", "k", "v.ip", "v.up"], ["var.nodes", "vm.w", "v"], ["var.x"], ["var.a", "var.b", "var.c", "var.d"],
                ["vm.legacy"],
            ])
    }

    @Test("heredocs keep their text, their holes and the place of their first line")
    func heredocs() throws {
        let file = HCLReader.read("a = <<EOT\nx: ${var.x}\n  $${no}\nEOT\nb = [<<-E\n    y\n    E\n  , 1]\nc = 1\n")
        #expect(file.faults == [])
        #expect(file.body.attribute("a")?.value.textWithHoles == "x: ${var.x}\n  ${no}\n")
        guard case .text(_, let start?) = file.body.attribute("a")?.value.kind else {
            Issue.record("no heredoc")
            return
        }
        #expect(file.source.place(start) == SourcePlace(line: 2, column: 1))
        #expect(file.body.attribute("b")?.value.elements.count == 2)
        #expect(file.body.attribute("c") != nil)
    }

    @Test("after a fault the next top-level block is read, and the fault has its place")
    func recovery() {
        let file = HCLReader.read("a = \nresource \"x\" \"y\" {\n  b = [1, 2\n  c = \n}\nvariable \"z\" {\n  type = string\n}\n")
        #expect(file.faults.map { file.source.place($0.offset).line } == [1, 4])
        #expect(file.body.blocks.map(\.type) == ["variable"])
    }

    @Test(
        "what is not closed is told where it was opened",
        arguments: [
            ("resource \"a\" {\n  x = 1\n", 1), ("x = \"abc\n", 1), ("\nx = <<EOT\nabc\n", 2), ("/* abc\n", 1), ("x = [1,\n", 1),
            ("x = {\n a = 1\n", 1),
        ])
    func unclosed(_ text: String, _ line: Int) throws {
        let file = HCLReader.read(text)
        let fault = try #require(file.faults.first)
        #expect(file.source.place(fault.offset).line == line, "\(fault)")
    }
}

@Suite("shell reader")
struct ShellReaderTests {
    private func words(_ text: String) -> [[String]] { ShellReader.read(text).commands.map { $0.words.map(\.text) } }

    @Test("words with quotes, escapes and variables; pipes, lists and comments")
    func commands() {
        #expect(
            words("a 'b c' \"d $X\" e\\ f # no\ng && h || i; j | k &\n")
                == [["a", "b c", "d ${X}", "e f"], ["g"], ["h"], ["i"], ["j"], ["k"]])
        let script = ShellReader.read("X=1 Y='a b' cmd --set k=v > out 2>&1 < in\n")
        #expect(script.commands.first?.assignments.map(\.name) == ["X", "Y"])
        #expect(script.commands.first?.redirections.map { $0.sign + $0.target.text } == [">out", "2>&1", "<in"])
        #expect(script.commands.first?.redirections.map(\.truncates) == [true, false, false])
    }

    @Test("continued lines are one command, and each word keeps its line")
    func continuations() throws {
        let script = ShellReader.read("cilium install \\\n  --set a=1 \\\n  --set b=2\nnext\n")
        #expect(script.commands.map { $0.words.count } == [6, 1])
        #expect(script.commands.first?.words.last.map { script.source.place($0.offset).line } == 3)
        #expect(script.danglings == [])
    }

    @Test(
        "a backslash before nothing, before a comment, and before a blank is told",
        arguments: [
            ("a \\\n\nb\n", DanglingBackslash.Kind.beforeBlankLine), ("a \\\n", .beforeBlankLine), ("a \\\n# c\nb\n", .beforeComment),
            ("a \\ \nb\n", .blankBehind),
        ])
    func danglings(_ text: String, _ kind: DanglingBackslash.Kind) {
        let found = ShellReader.read(text).danglings
        #expect(found.map(\.offset) == [2] && found.map(\.kind) == [kind])
    }

    @Test("the commands of substitutions are commands, however they are quoted")
    func substitutions() {
        #expect(
            words("x=$(kubectl get \"$(ls)\")\ny=`awk '{print $1}' f`\nz=\"`pwd`\"\n").sorted { $0.count > $1.count }
                == [["kubectl", "get", "$(ls)"], ["awk", "{print $1}", "f"], ["ls"], ["pwd"], [], [], []])
        #expect(ShellReader.read("y=`awk '{print $1}'`\nz=1").faults == [])
    }

    @Test("case arms have their subject and patterns, and commands know theirs")
    func cases() throws {
        let script = ShellReader.read(
            "while [[ $# -gt 0 ]]; do\n case $1 in\n -n|--name) NAME=\"$2\"; shift ;;\n (--flag) FLAG=1 ;;\n *) exit 1;;\n esac\ndone\necho end\n"
        )
        #expect(script.faults == [])
        #expect(script.arms.map(\.patterns) == [["-n", "--name"], ["--flag"], ["*"]])
        #expect(script.arms.map(\.subject) == ["${1}", "${1}", "${1}"])
        let assignments = script.commands.flatMap { command in command.assignments.map { ($0.name, command.arm) } }
        #expect(assignments.map(\.0) == ["NAME", "FLAG"] && assignments.map(\.1) == [0, 1])
        #expect(script.commands.last?.arm == nil && script.commands.last?.name == "echo")
    }

    @Test("functions, heredocs, arithmetic, conditions and arrays do not confuse what follows")
    func structures() {
        let script = ShellReader.read(
            """
            f() { echo a; }
            cat <<EOF > out
            not a command $(nor this)
            EOF
            ((x = 1 > 2))
            [[ $a < $b && -f c ]] && go
            list=(one "two three")
            y=$((1 + (2)))
            for i in a b; do use $i; done
            mapfile -t x < <(jq -r '.[] | "\\(.)p"' f)
            z=(a 'b)' "c)")
            w="${x[@]+"${x[@]}"}"
            end
            """)
        #expect(script.faults == [])
        let names = ["echo", "cat", "[[", "go", "=", "=", "for", "use", "mapfile", "jq", "=", "=", "end"]
        #expect(script.commands.map { $0.name ?? "=" } == names)
    }

    @Test("an open quote is told and costs its line alone")
    func recovery() {
        let script = ShellReader.read("a 'open\nb\n")
        #expect(script.faults.map(\.offset) == [2])
        #expect(script.commands.map(\.name) == ["a", "b"])
    }
}

@Suite("other readers")
struct OtherReaderTests {
    @Test("INI has sections, comments, both signs and values of several lines")
    func ini() {
        let entries = INIReader.read("; c\n[defaults]\nLog_Path = a.log ; note\nx: 1\n# c\ncallbacks = a,\n  b\n[other]\ny=\n")
        #expect(
            entries.map { "\($0.section).\($0.key)=\($0.value)@\($0.line)" } == [
                "defaults.log_path=a.log@3", "defaults.x=1@4", "defaults.callbacks=a,\nb@6", "other.y=@9",
            ])
    }

    @Test(
        "ignore rules decide as git does",
        arguments: [
            ("*.log", "a/b.log", true), ("/x", "a/x", false), ("/x", "x/y", true), ("tmp/", "a/tmp/k", true), ("tmp/", "tmp", false),
            ("a/b", "a/b", true), ("a/b", "c/a/b", false), ("**/b", "c/a/b", true), ("a/**", "a/b/c", true), ("a/**", "a", false),
            ("a/**/d", "a/d", true), ("a/**/d", "a/b/c/d", true), ("*\n!keep", "keep", false), ("dir/\n!dir/keep", "dir/keep", true),
            ("a?c", "abc", true), ("[a-c]x", "bx", true), ("[!a-c]x", "bx", false), ("\\#x", "#x", true), ("# x", "x", false),
            ("x  ", "x", true),
        ])
    func ignoring(_ rules: String, _ path: String, _ ignored: Bool) {
        var all = IgnoreRules()
        all.add(rules, in: "")
        #expect(all.ignores(path) == ignored)
    }

    @Test("rules of a directory hold within it")
    func nested() {
        var all = IgnoreRules()
        all.add("*.key", in: "")
        all.add("!public.key\n/local", in: "certs")
        #expect(all.ignores("a.key") && all.ignores("certs/a.key") && all.ignores("certs/local"))
        #expect(!all.ignores("certs/public.key") && !all.ignores("local"))
    }

    @Test("Markdown has links, code in lines and in fences, and numbered steps")
    func markdown() {
        let page = MarkdownReader.read(
            "# H\n1. run [x.sh](bin/x.sh) and ``a `b` c``\n2) two\n```bash\n$ ls\n```\n   3. in `k`\n\\[no](link)\n~~~\n[no](code)\n")
        #expect(page.links.map { "\($0.text)>\($0.target)@\($0.place.line):\($0.place.column)" } == ["x.sh>bin/x.sh@2:9"])
        #expect(page.codes.map(\.text) == ["a `b` c", "$ ls", "k", "[no](code)\n"])
        #expect(page.codes.map { $0.place.line } == [2, 5, 7, 10])
        #expect(page.items.map(\.number) == [1, 2, 3])
    }
}

/// Random bytes, damaged copies of the fixtures, and nesting that only an attack has: each reader ends, quickly, with places inside the text.
@Suite("hostile trees", .timeLimit(.minutes(2)))
struct HostileTreeTests {
    static let names = ["a.tf", "a.sh", "a.md", "a.yaml", "ansible.cfg", ".gitignore", "d/.terraform.lock.hcl", "noext"]

    private func check(_ text: String) {
        let lines = text.utf8.count { $0 == 10 } + 1
        let tree = SourceTree(files: Self.names.map { SourceTree.File(path: $0, text: text) })
        for finding in lint(tree, yaml: yaml) where !(1...lines).contains(finding.line) || finding.column < 1 || finding.message.isEmpty {
            Issue.record("\(finding)")
        }
    }

    @Test("random bytes of the signs that matter")
    func noise() {
        var random = SplitMix(seed: 4)
        let signs = Array("{}[]()<>\"'`$\\#/*=:-.,|&;!?%~ \n\tab1EOF«é".unicodeScalars)
        for _ in 0..<700 {
            var text = ""
            for _ in 0..<Int.random(in: 0...120, using: &random) {
                text.unicodeScalars.append(signs[Int.random(in: 0..<signs.count, using: &random)])
            }
            check(text)
        }
    }

    @Test("damaged copies of real files")
    func mutations() throws {
        var random = SplitMix(seed: 57)
        let files = try Txtar.fixture("defects.txtar").files
        let pieces = [
            "{", "}", "\"", "'", "`", "$(", "${", "<<EOF\n", "\\\n", "(", ")", "[", "]", "case x in\n", "esac", "#", "/*", "EOF\n", "\u{0}",
            "```\n",
        ]
        for round in 0..<700 {
            var bytes = Array(files[round % files.count].text.utf8)
            for _ in 0...Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...127, using: &random)
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(contentsOf: pieces[Int.random(in: 0..<pieces.count, using: &random)].utf8, at: at)
                case 3: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...60, using: &random)))
                default: bytes.removeSubrange(at...)
                }
            }
            let file = SourceTree.File(path: files[round % files.count].path, text: String(decoding: bytes, as: UTF8.self))
            let lines = file.text.utf8.count { $0 == 10 } + 1
            for finding in lint(SourceTree(files: [file]), yaml: yaml) where !(1...lines).contains(finding.line) {
                Issue.record("\(finding)")
            }
        }
    }

    @Test(
        "endless nesting and repetition end in good time",
        arguments: [
            "{", "[", "(", "a {\n", "x = [", "x = {a = ", "\"${", "$(", "`", "`a ", "${", "case x in\n", "<<A\n", "x = <<A\n", "- ", "[a](",
            "[[", "((", "((a\n", "!", "a b \\\n",
            "/*", "x = 1 /*\n", "if ", "a.", "x = a ? ", "**/", "```\n", "``` ", "`` ` ", "'", "\"", "{{", "--- ", "a: ", "$((", "x=$((",
            "${a:-",
        ])
    func nesting(_ unit: String) {
        let clock = ContinuousClock()
        let started = clock.now
        check(String(repeating: unit, count: 40_000 / unit.utf8.count))
        #expect(clock.now - started < .seconds(20))
    }
}
