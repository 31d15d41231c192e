// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTrust
import Testing

/// Certificates made with the openssl command line, as Cilium's chart makes them: RSA keys, both usages, a wildcard name.
@Suite("A leaf that somebody else's authority has issued")
struct IssuedLeafTests {
    @Test("is read whatever its key is: names with wildcards, usages, end")
    func read() throws {
        let leaf = try IssuedLeaf(pem: Self.leaf)
        #expect(leaf.dnsNames == ["clustermesh-apiserver.cilium.io", "*.mesh.cilium.io"])
        #expect(leaf.servesServers && leaf.servesClients)
        #expect("\(leaf.notAfter)".hasPrefix("2126-07-27"))
    }

    @Test("comes from the authority that signed it, also in a bundle, and from no other of the same name")
    func issuer() throws {
        let leaf = try IssuedLeaf(pem: Self.leaf)
        #expect(leaf.isIssued(byOneOf: Self.authority))
        #expect(leaf.isIssued(byOneOf: Self.other + "\n" + Self.authority))
        #expect(!leaf.isIssued(byOneOf: Self.other))
        #expect(!leaf.isIssued(byOneOf: ""))
        #expect(!leaf.isIssued(byOneOf: "not a certificate"))
        // A leaf is no authority, not even of itself.
        #expect(!leaf.isIssued(byOneOf: Self.leaf))
    }

    @Test("one of our own profiles serves its one purpose only")
    func purposes() throws {
        let key = try PrivateKey.generate()
        let root = try Certificate.makeRoot(
            key: key, name: "Cilium CA", notBefore: Timestamp(seconds: 1_700_000_000), notAfter: Timestamp(seconds: 1_900_000_000))
        let own = try PrivateKey.generate()
        let certificate = try Certificate.issue(
            for: own.publicKey, profile: .agent(mesh: "small", try #require(NodeID("n1"))), notBefore: Timestamp(seconds: 1_700_000_000),
            notAfter: Timestamp(seconds: 1_800_000_000), by: root, key: key)
        let leaf = try IssuedLeaf(pem: certificate.pem)
        #expect(leaf.servesClients && !leaf.servesServers)
        #expect(leaf.dnsNames.isEmpty)
        // Long expired by now: dates are judged elsewhere.
        #expect(leaf.isIssued(byOneOf: root.pem))
    }

    @Test("garbage is refused", arguments: ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
    func garbage(_ text: String) {
        #expect(throws: TrustError.self) { try IssuedLeaf(pem: text) }
    }

    private static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIDGzCCAgOgAwIBAgIUA5rrGPFC+jbbk0I7AWcx9hOTCkMwDQYJKoZIhvcNAQEL
        BQAwFDESMBAGA1UEAwwJQ2lsaXVtIENBMCAXDTI2MTEyODA4MTMxOVoYDzIxMjYx
        MTA0MDgxMzE5WjAUMRIwEAYDVQQDDAlDaWxpdW0gQ0EwggEiMA0GCSqGSIb3DQEB
        AQUAA4IBDwAwggEKAoIBAQDeJNL3s9iLv+PkoTMPGfTbeBGZZyXMwgdJnAefZHt8
        08vgxulS2LvdYCsjXkbkFRIsL6HWxJSBM1qEIFgw7vYwJIapnF7GOtxxRZmU/4Up
        e1hG9Sz0b8GU6crS2ldo9GG1g3Ib+BUj+U4oMD4OMixCjgaJ09U9SjPrfqCNQtaF
        Q7/3R0+eLkv5kVmoCyfql4twD9H3Bql39WpAqmUMQwuueyf8UgG3F764DiYTPZCM
        FQ+hXl0Rj9X1z7e/RsG0+uTNI1/RE4lXYXT7lkXGQQi2nEFyViqMjtG/kwQuX6t8
        54moIa+0E5NkvQ9pWzBG6DaZNIEr6Oa+7DH/JLaqqONpAgMBAAGjYzBhMB0GA1Ud
        DgQWBBQTXhh1dgcYfuUqiqoUWVIc8IjMGzAfBgNVHSMEGDAWgBQTXhh1dgcYfuUq
        iqoUWVIc8IjMGzAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwICpDANBgkq
        hkiG9w0BAQsFAAOCAQEAJZSMpZuTqSBIpxOYd4MefaX6h1fsptr/IV13WSAiJiIJ
        YjGnvABBL2WrFB+T2xG1HTx2mp1Ik6pO540wXOelyHKGn2EgOWc0P08qNB8uxs7v
        FFWRcawnCS827bch8AAXJyFEAFTKC5RPLWB3+13mv9wP0JDFPSy/+53LT8BZiPHP
        r/tEN+1shTMcAnIR/1M+8DeWCNcBPD7whJsfjHvJzTGjBkuVfU4qz3jzKDsoztbH
        hVevxi8EM5vyx5Szz+MynO084Rr/EoAyoktmL3o95olhqrIbNNx+2e6xWJqlHKV6
        8lmILJcZaXTB35NLa25tuqsGnL+tj52ssv0/n6Dytg==
        -----END CERTIFICATE-----

        """

    private static let leaf = """
        -----BEGIN CERTIFICATE-----
        MIIDkzCCAnugAwIBAgIUFEIpFk4ujFonN4zZfHm50Bx7fnEwDQYJKoZIhvcNAQEL
        BQAwFDESMBAGA1UEAwwJQ2lsaXVtIENBMCAXDTI2MTEyODA4MTMxOVoYDzIxMjYw
        NzI3MDgxMzE5WjAqMSgwJgYDVQQDDB9jbHVzdGVybWVzaC1hcGlzZXJ2ZXIuY2ls
        aXVtLmlvMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA+OywqoUrNPgV
        83tXi55TEVS0/ZXpBR7Fyp3TIdYyIVhcM/4pzOdml22L/YBRGcPr40YJodmVcxsR
        jRM57q4z07B1vbSJFCkkbE2z3IhoV6vch2HNkjI4EakVuglIAmS652yKo0I2ir61
        OxyCAW+x/GyHuxWPAPErXAy9udz7egUxhs4U2oJih/W8ImRKorzXeq8QC2RQEU0i
        ntEjEHU6umtjsF1hJYtxckgGDDhA2+P5sqdqQB8cqSmxJZ9I0yNGl2ZyVjo+V5mw
        DeT3JRl172VTe9tiTmXf8duQYGI6ZrATh84HIauJ8AuWeo1rTGZ7Pc7D9x57BTqE
        i8QahqVs+wIDAQABo4HEMIHBMAwGA1UdEwEB/wQCMAAwDgYDVR0PAQH/BAQDAgWg
        MB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcDAjBCBgNVHREEOzA5gh9jbHVz
        dGVybWVzaC1hcGlzZXJ2ZXIuY2lsaXVtLmlvghAqLm1lc2guY2lsaXVtLmlvhwR/
        AAABMB0GA1UdDgQWBBRTA1/X3W0M2fELOOnXzu1RvLGK2TAfBgNVHSMEGDAWgBQT
        Xhh1dgcYfuUqiqoUWVIc8IjMGzANBgkqhkiG9w0BAQsFAAOCAQEAem6Pi2vnjkHc
        vuEJUuWoVCptaIQEHE9Phw9vAh+4X91hnYvAcUs96JxgbLUossUjybqsNSrBWq08
        KMnm5UXX9X9D2oY6MEKs0OoRmcBlLJbVxCycqPvRwQAvL5jQU4EWX6fn3YgX6L7j
        x3zweroixhzjurWoJVr6NiVpDkwGbMXryBN3LwyMCQaMHFhaWt1TEYItTenv5TvB
        iSC2yo2CzIjHveo9ap9E4lbIRoaCIEU5wsqg7c0qX6vvmNz3Bvm2yXUxI/OsBFZx
        4inJHqlrbIbXeMQi2M1RhQ+kur7c35ZxWTmXKsVwv5n6xRDI6CkZdk7wOkQi+dhc
        CSc59Dwt/g==
        -----END CERTIFICATE-----

        """

    /// Another authority of the same name.
    private static let other = """
        -----BEGIN CERTIFICATE-----
        MIIBfzCCASWgAwIBAgIUTXthlvdfOFqKuVZpXwlb+E2wTRQwCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJQ2lsaXVtIENBMCAXDTI2MTEyODA4MTMxOVoYDzIxMjYxMTA0
        MDgxMzE5WjAUMRIwEAYDVQQDDAlDaWxpdW0gQ0EwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAAQIW2wFOu1LcdcNS6D2zVz6Bp9Pbl+vHERXrVlW5HlihDLs2lGrroaB
        3pXYDsOWIftBZ/sfv+8qkic99hEIAkIZo1MwUTAdBgNVHQ4EFgQUbejP37XzqxD+
        3loV6+gP/cvXvNcwHwYDVR0jBBgwFoAUbejP37XzqxD+3loV6+gP/cvXvNcwDwYD
        VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEApMZjTXtRDb6jRCgjD1v8
        zgho8j7DB4uv0RSiX7i2DE8CIBVO0tjPTAzLJDSIKm+AFxg9uYUitRpuzJmj59kY
        S1gJ
        -----END CERTIFICATE-----

        """
}
