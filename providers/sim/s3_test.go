package sim

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3t "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func TestBucketsHoldObjectsInTheirRegion(t *testing.T) {
	s := quiet(t)
	c := s3.NewFromConfig(s.once(west))
	bucket, key := ptr(bucketName(west)), ptr(takeoverKey)
	_, err := c.HeadBucket(s.ctx, &s3.HeadBucketInput{Bucket: bucket})
	s.must(err)
	var nf *s3t.NotFound
	if _, err := c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key}); !errors.As(err, &nf) {
		t.Errorf("an object that is not there: %v", err)
	}
	var status *smithyhttp.ResponseError
	if _, err := c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key}); !errors.As(err, &status) || status.HTTPStatusCode() != 404 {
		t.Errorf("without its status: %v", err)
	}
	_, err = c.PutObject(s.ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("INC-7"), ContentType: ptr("text/plain")})
	s.must(err)
	got, err := c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
	s.must(err)
	body, err := io.ReadAll(got.Body)
	s.must(err)
	if string(body) != "INC-7" {
		t.Errorf("read back %q", body)
	}
	if _, err := s3.NewFromConfig(s.once(east)).HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key}); err == nil {
		t.Error("a client of another Region got at the object")
	}
	_, err = c.DeleteObject(s.ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key})
	s.must(err)
	_, err = c.DeleteObject(s.ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key}) // what is gone may be deleted again
	s.must(err)
	var gone *s3t.NoSuchKey
	if _, err := c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: bucket, Key: key}); !errors.As(err, &gone) {
		t.Errorf("after deletion: %v", err)
	}
}

// A delete on a condition says what S3 says: 412 for another object, 404 for none.
func TestAnObjectIsDeletedOnlyAsItWasSeen(t *testing.T) {
	s := quiet(t)
	c := s3.NewFromConfig(s.once(west))
	bucket, key := ptr(bucketName(west)), ptr(takeoverKey)
	put := func(text string) *string {
		_, err := c.PutObject(s.ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader(text), Metadata: map[string]string{"incident": text}})
		s.must(err)
		seen, err := c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key})
		s.must(err)
		if seen.Metadata["incident"] != text {
			t.Errorf("its metadata are %v", seen.Metadata)
		}
		return seen.ETag
	}
	first := put("INC-7")
	second := put("INC-8")
	drop := func(etag *string) string {
		_, err := c.DeleteObject(s.ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key, IfMatch: etag})
		if api, ok := errors.AsType[smithy.APIError](err); ok {
			return api.ErrorCode()
		}
		s.must(err)
		return ""
	}
	for _, c := range []struct {
		etag *string
		want string
	}{{first, "PreconditionFailed"}, {second, ""}, {second, "NoSuchKey"}, {ptr("*"), "NoSuchKey"}} {
		if got := drop(c.etag); got != c.want {
			t.Errorf("deleting %s: %q, want %q", *c.etag, got, c.want)
		}
	}
}
