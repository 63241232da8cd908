package ecr

import (
	"regexp"
	"strings"
)

// reference is where an image is pulled from.
type reference struct {
	// host is the registry's; account and region are an ECR registry's, empty of others.
	host, account, region string
	repository            string
	// id is the digest (sha256:...), or the tag where none is given.
	id string
}

// registry is an ECR registry's name: its account and its Region.
//
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
var registry = regexp.MustCompile(`^(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.(?:aws|amazonwebservices\.com\.cn))$`)

// parse reads an image's name as container runtimes do: what stands before the first
// slash is a registry where it has a dot or a port, or is localhost; Docker Hub's
// otherwise.
//
// https://github.com/distribution/reference
func parse(image string) reference {
	r := reference{host: "docker.io", repository: image, id: "latest"}
	if first, rest, ok := strings.Cut(image, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		r.host, r.repository = first, rest
	}
	name, digest, byDigest := strings.Cut(r.repository, "@")
	r.repository = name
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		r.repository, r.id = name[:i], name[i+1:]
	}
	if byDigest {
		r.id = digest
	}
	if m := registry.FindStringSubmatch(r.host); m != nil {
		r.account, r.region = m[1], m[2]
	}
	return r
}

// byDigest says that the image can be no other.
func (r reference) byDigest() bool { return strings.Contains(r.id, ":") }

// String is the image within its registry.
func (r reference) String() string {
	if r.byDigest() {
		return r.repository + "@" + short(r.id)
	}
	return r.repository + ":" + r.id
}

// short is enough of a digest to tell it from others.
func short(digest string) string {
	const enough = len("sha256:") + 12
	return digest[:min(len(digest), enough)]
}
