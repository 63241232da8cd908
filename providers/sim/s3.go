package sim

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3t "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// Object is an object in a bucket.
type Object struct {
	Body     []byte    `json:"body"`
	ETag     string    `json:"etag"`
	Type     string    `json:"type"`
	Modified time.Time `json:"modified"`
	// Meta is the metadata that it was put with.
	Meta map[string]string `json:"meta,omitempty"`
}

var s3API = awsAPI{
	system: "aws.s3",
	operations: map[string]operation{
		"HeadBucket":           reads(headBucket),
		"ListBuckets":          reads(listBuckets).lostAs(Refuse),
		"HeadObject":           reads(headObject),
		"GetBucketReplication": reads(getBucketReplication).lostAs(Refuse),
		"GetObject":            reads(getObject),
		"PutObject":            changes(putObject),
		"DeleteObject":         changes(deleteObject),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *s3.HeadBucketInput:
			return deref(in.Bucket)
		case *s3.GetBucketReplicationInput:
			return deref(in.Bucket)
		case *s3.HeadObjectInput:
			return deref(in.Bucket) + "/" + deref(in.Key)
		case *s3.GetObjectInput:
			return deref(in.Bucket) + "/" + deref(in.Key)
		case *s3.PutObjectInput:
			return deref(in.Bucket) + "/" + deref(in.Key)
		case *s3.DeleteObjectInput:
			return deref(in.Bucket) + "/" + deref(in.Key)
		}
		return ""
	},
}

// allowed refuses an anonymous read of an object that is not for everybody. S3 tells
// strangers, who may not list the bucket, of an object that is not there just the same.
func (r request) allowed(there bool) error {
	if r.anonymous && (r.Regions[r.region].PrivateBuckets || !there) {
		return &smithy.GenericAPIError{Code: "AccessDenied", Message: "Access Denied", Fault: smithy.FaultClient}
	}
	return nil
}

// bucket finds a bucket. Only clients of its own Region get at it; others are
// told, as by S3, that it is elsewhere.
func (r request) bucket(name *string, head bool) (map[string]Object, error) {
	for _, region := range regionNames {
		b, ok := r.Regions[region].Buckets[deref(name)]
		if !ok {
			continue
		}
		if region != r.region {
			return nil, &smithy.GenericAPIError{Code: "PermanentRedirect", Message: "The bucket is in " + region, Fault: smithy.FaultClient}
		}
		return b, nil
	}
	if head {
		return nil, &s3t.NotFound{Message: ptr("Not Found")}
	}
	return nil, &s3t.NoSuchBucket{Message: ptr("The specified bucket does not exist")}
}

// listBuckets are those of one Region, where one is named.
func listBuckets(r request, in *s3.ListBucketsInput) (*s3.ListBucketsOutput, error) {
	out := &s3.ListBucketsOutput{}
	for _, region := range regionNames {
		if in.BucketRegion != nil && *in.BucketRegion != region {
			continue
		}
		for _, name := range sortedKeys(r.Regions[region].Buckets) {
			out.Buckets = append(out.Buckets, s3t.Bucket{Name: ptr(name), BucketRegion: ptr(region)})
		}
	}
	return out, nil
}

func headBucket(r request, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	if _, err := r.bucket(in.Bucket, true); err != nil {
		return nil, err
	}
	return &s3.HeadBucketOutput{BucketRegion: ptr(r.region)}, nil
}

func headObject(r request, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	b, err := r.bucket(in.Bucket, true)
	if err != nil {
		return nil, err
	}
	o, ok := b[deref(in.Key)]
	if err := r.allowed(ok); err != nil {
		return nil, err
	}
	if !ok {
		return nil, &s3t.NotFound{Message: ptr("Not Found")}
	}
	return &s3.HeadObjectOutput{ETag: ptr(o.ETag), ContentLength: ptr(int64(len(o.Body))), LastModified: ptr(o.Modified), ContentType: ptr(o.Type), Metadata: o.Meta}, nil
}

func getObject(r request, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	b, err := r.bucket(in.Bucket, false)
	if err != nil {
		return nil, err
	}
	o, ok := b[deref(in.Key)]
	if err := r.allowed(ok); err != nil {
		return nil, err
	}
	if !ok {
		return nil, &s3t.NoSuchKey{Message: ptr("The specified key does not exist.")}
	}
	return &s3.GetObjectOutput{
		Body: io.NopCloser(bytes.NewReader(o.Body)), ETag: ptr(o.ETag), ContentLength: ptr(int64(len(o.Body))),
		LastModified: ptr(o.Modified), ContentType: ptr(o.Type), Metadata: o.Meta,
	}, nil
}

func putObject(r request, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
	b, err := r.bucket(in.Bucket, false)
	if err != nil {
		return nil, err
	}
	if err := r.allowed(false); err != nil { // only whoever signs may change anything
		return nil, err
	}
	key := deref(in.Key)
	if have, ok := b[key]; ok && deref(in.IfNoneMatch) == "*" || in.IfMatch != nil && *in.IfMatch != have.ETag {
		return nil, &smithy.GenericAPIError{Code: "PreconditionFailed", Message: "At least one of the pre-conditions you specified did not hold", Fault: smithy.FaultClient}
	}
	body, err := readAll(in.Body)
	if err != nil {
		return nil, err
	}
	sum := md5.Sum(body) // what S3 calls an ETag; nothing is protected by it
	o := Object{Body: body, ETag: `"` + hex.EncodeToString(sum[:]) + `"`, Modified: r.now.Truncate(time.Second), Type: deref(in.ContentType), Meta: in.Metadata}
	if o.Type == "" {
		o.Type = "application/octet-stream"
	}
	b[key] = o
	if key == takeoverKey && r.region == standbyRegion {
		r.mark(markTakeover)
	}
	return &s3.PutObjectOutput{ETag: ptr(o.ETag)}, nil
}

// readAll is what an input's body holds.
func readAll(r io.Reader) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	if s, ok := r.(io.Seeker); ok { // the SDK has read it, to sign it
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("read the body again: %w", err)
		}
	}
	return io.ReadAll(r)
}

func deleteObject(r request, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	b, err := r.bucket(in.Bucket, false)
	if err != nil {
		return nil, err
	}
	if err := r.allowed(false); err != nil {
		return nil, err
	}
	switch have, ok := b[deref(in.Key)]; {
	case in.IfMatch == nil:
	case !ok:
		return nil, &s3t.NoSuchKey{Message: ptr("The specified key does not exist.")}
	case *in.IfMatch != "*" && *in.IfMatch != have.ETag:
		return nil, &smithy.GenericAPIError{Code: "PreconditionFailed", Message: "At least one of the pre-conditions you specified did not hold", Fault: smithy.FaultClient}
	}
	delete(b, deref(in.Key))
	return &s3.DeleteObjectOutput{}, nil
}

// expectTakeover says how the takeover object is not what a scenario expects.
func (s *State) expectTakeover(e Expect, say say) {
	there := func(region string) bool {
		_, ok := s.Regions[region].Buckets[bucketName(region)][takeoverKey]
		return ok
	}
	if e.NoTakeover != "" && there(e.NoTakeover) {
		say("the takeover object is in %s, expected none", bucketName(e.NoTakeover))
	}
	if e.Takeover != "" && !there(e.Takeover) {
		say("the takeover object is not in %s", bucketName(e.Takeover))
	}
}
