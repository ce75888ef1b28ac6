"""Runs the cases of TestBoto3.

The endpoint is in ENDPOINT, the credentials in AWS's variables. Each case runs in
a bucket of its own. A line "PASS name" or "FAIL name: reason" is printed for each;
with -l only the names are.
"""

import io
import os
import sys
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1 << 20
CASES = []


def case(f):
    CASES.append(f)
    return f


def client(**config):
    config.setdefault("signature_version", "s3v4")
    config.setdefault("s3", {"addressing_style": "path"})
    return boto3.client(
        "s3",
        endpoint_url=os.environ["ENDPOINT"],
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def same(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what} got {got!r}, want {want!r}")


def refused(code, f, **kwargs):
    try:
        f(**kwargs)
    except ClientError as e:
        same(e.response["Error"]["Code"], code, f.__name__)
        return e.response
    raise AssertionError(f"{f.__name__} succeeded, want {code}")


@case
def buckets(s3, bucket):
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert bucket in names, names
    assert s3.list_buckets()["Owner"]["ID"]
    same(s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"], "us-east-1")
    same(s3.get_bucket_location(Bucket=bucket)["LocationConstraint"], None)
    same(s3.get_bucket_versioning(Bucket=bucket).get("Status"), None)
    refused("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket=bucket)
    refused("404", s3.head_bucket, Bucket="nobody")
    refused("NoSuchBucket", s3.list_objects_v2, Bucket="nobody")
    s3.put_object(Bucket=bucket, Key="k", Body=b"v")
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    refused("NoSuchBucket", s3.delete_bucket, Bucket=bucket)
    s3.create_bucket(Bucket=bucket)


@case
def put_and_get(s3, bucket):
    for body in [b"", b"hello", os.urandom(3 * MIB)]:
        put = s3.put_object(
            Bucket=bucket, Key="k", Body=body, ContentType="image/jpeg", CacheControl="max-age=5",
            ContentDisposition="attachment", ContentLanguage="de", ContentEncoding="gzip",
        )
        got = s3.get_object(Bucket=bucket, Key="k")
        same(got["Body"].read(), body)
        same(got["ETag"], put["ETag"])
        same(got["ContentLength"], len(body))
        same(got["ContentType"], "image/jpeg")
        same(got["CacheControl"], "max-age=5")
        same(got["ContentDisposition"], "attachment")
        same(got["ContentLanguage"], "de")
        same(got["ContentEncoding"], "gzip")
        head = s3.head_object(Bucket=bucket, Key="k")
        same(head["ContentLength"], len(body))
        same(head["LastModified"], got["LastModified"])
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/plain", ResponseCacheControl="no-cache")
    same((got["ContentType"], got["CacheControl"]), ("text/plain", "no-cache"))
    s3.delete_object(Bucket=bucket, Key="k")
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="k")
    refused("404", s3.head_object, Bucket=bucket, Key="k")
    same(s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"], 204)


@case
def metadata_values(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"uploaded-by": "Ada", "note": "two words"})
    got = s3.head_object(Bucket=bucket, Key="k")["Metadata"]
    same({k.lower(): v for k, v in got.items()}, {"uploaded-by": "Ada", "note": "two words"})


@case
def metadata_names_are_lower_case(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"Uploaded-By": "Ada"})
    same(s3.head_object(Bucket=bucket, Key="k")["Metadata"], {"uploaded-by": "Ada"})
    same(s3.get_object(Bucket=bucket, Key="k")["Metadata"], {"uploaded-by": "Ada"})


KEYS = [
    "a b+c %41.txt", "deep/er/é.txt", "deep/#?&=.txt", "../up", "a//b", "/leading", "trailing/", "日本/📷.jpg", "~tilde*!()'", "semi;colon=&x",
    "k" * 1024,
]


@case
def odd_keys(s3, bucket):
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in KEYS:
        same(s3.get_object(Bucket=bucket, Key=key)["Body"].read(), key.encode())
    same(sorted(o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]), sorted(KEYS))
    same(sorted(o["Key"] for o in s3.list_objects(Bucket=bucket)["Contents"]), sorted(KEYS))
    refused("KeyTooLongError", s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"")


@case
def ranges(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="k", Range="bytes=2-4")
    same((got["Body"].read(), got["ContentRange"], got["ContentLength"]), (b"234", "bytes 2-4/10", 3))
    same(s3.get_object(Bucket=bucket, Key="k", Range="bytes=-3")["Body"].read(), b"789")
    same(s3.head_object(Bucket=bucket, Key="k", Range="bytes=7-")["ContentLength"], 3)
    refused("InvalidRange", s3.get_object, Bucket=bucket, Key="k", Range="bytes=10-")


@case
def conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"a", IfNoneMatch="*")["ETag"]
    refused("PreconditionFailed", s3.put_object, Bucket=bucket, Key="k", Body=b"b", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Bucket=bucket, Key="k", Body=b"b", IfMatch='"0"')
    refused("304", s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag)
    refused("PreconditionFailed", s3.get_object, Bucket=bucket, Key="k", IfMatch='"0"')
    s3.put_object(Bucket=bucket, Key="k", Body=b"b", IfMatch=etag)
    refused("PreconditionFailed", s3.delete_object, Bucket=bucket, Key="k", IfMatch=etag)
    same(s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"b")


@case
def checksums(s3, bucket):
    for name in ["CRC32", "SHA1", "SHA256"]:
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm=name)
        got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        same(got["Body"].read(), b"hello")
        same(got["Checksum" + name], put["Checksum" + name])
    refused("BadDigest", s3.put_object, Bucket=bucket, Key="k", Body=b"hello", ChecksumCRC32="AAAAAA==")
    refused("BadDigest", s3.put_object, Bucket=bucket, Key="k", Body=b"hello", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")


@case
def pages(s3, bucket):
    want = [f"a/{i:02}" for i in range(7)] + [f"b/{i}" for i in range(3)] + ["c+ d", "é"]
    for key in want:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    for operation in ["list_objects", "list_objects_v2"]:
        got = [o["Key"] for p in s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}) for o in p.get("Contents", [])]
        same(got, want, operation)
        prefixes, keys = [], []
        for p in s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1}):
            prefixes += [c["Prefix"] for c in p.get("CommonPrefixes", [])]
            keys += [o["Key"] for o in p.get("Contents", [])]
        same((prefixes, keys), (["a/", "b/"], ["c+ d", "é"]), operation)
    same([o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix="b/", StartAfter="b/1")["Contents"]], ["b/2"])
    same(s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"], 0)
    same("Owner" in s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0], True)


@case
def delete_many(s3, bucket):
    keys = [f"a b+{i}" for i in range(30)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    out = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys[:20]] + [{"Key": "none"}, {"Key": "k" * 1025}]})
    same(sorted(d["Key"] for d in out["Deleted"]), sorted(keys[:20] + ["none"]))
    same([e["Code"] for e in out["Errors"]], ["KeyTooLongError"])
    out = s3.delete_objects(Bucket=bucket, Delete={"Quiet": True, "Objects": [{"Key": k} for k in keys[20:]]})
    same(out.get("Deleted"), None)
    same(s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0)


@case
def copies(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a b+%41", Body=b"hello", ContentType="image/png", Metadata={"a": "1"})
    source = {"Bucket": bucket, "Key": "a b+%41"}
    out = s3.copy_object(Bucket=bucket, Key="to", CopySource=source)
    same(out["CopyObjectResult"]["ETag"], s3.head_object(Bucket=bucket, Key="to")["ETag"])
    head = s3.head_object(Bucket=bucket, Key="to")
    same((head["ContentType"], list(head["Metadata"].values())), ("image/png", ["1"]))
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source, MetadataDirective="REPLACE", ContentType="text/plain", Metadata={})
    head = s3.head_object(Bucket=bucket, Key="to")
    same((head["ContentType"], head["Metadata"]), ("text/plain", {}))
    refused("NoSuchKey", s3.copy_object, Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "none"})
    refused("InvalidRequest", s3.copy_object, Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "to"})
    refused("PreconditionFailed", s3.copy_object, Bucket=bucket, Key="to", CopySource=source, CopySourceIfMatch='"0"')


@case
def managed_transfers(s3, bucket):
    config = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=5 * MIB)
    body = os.urandom(12 * MIB)
    s3.upload_fileobj(io.BytesIO(body), bucket, "big", Config=config, ExtraArgs={"ContentType": "image/jpeg"})
    head = s3.head_object(Bucket=bucket, Key="big")
    same((head["ETag"].endswith('-3"'), head["ContentType"]), (True, "image/jpeg"))
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copy", Config=config)
    out = io.BytesIO()
    s3.download_fileobj(bucket, "copy", out, Config=config)
    same(out.getvalue() == body, True)
    same(s3.get_object(Bucket=bucket, Key="big", PartNumber=3)["Body"].read() == body[10 * MIB:], True)


@case
def multipart(s3, bucket):
    up = s3.create_multipart_upload(Bucket=bucket, Key="k+ k", ContentType="image/png", Metadata={"a": "1"})
    same((up["Bucket"], up["Key"]), (bucket, "k+ k"))
    ids = {"Bucket": bucket, "Key": "k+ k", "UploadId": up["UploadId"]}
    one = os.urandom(5 * MIB)
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(PartNumber=n, Body=b, **ids)["ETag"]} for n, b in [(1, one), (2, b"tail")]
    ]
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    copied = s3.upload_part_copy(PartNumber=3, CopySource={"Bucket": bucket, "Key": "source"}, CopySourceRange="bytes=2-4", **ids)
    same(copied["CopyPartResult"]["ETag"].startswith('"'), True)
    same([u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]], [up["UploadId"]])
    listed = s3.list_parts(**ids, MaxParts=2)
    same(([p["PartNumber"] for p in listed["Parts"]], listed["IsTruncated"]), ([1, 2], True))
    listed = s3.list_parts(**ids, PartNumberMarker=listed["NextPartNumberMarker"])
    same([(p["PartNumber"], p["Size"]) for p in listed["Parts"]], [(3, 3)])
    refused("InvalidPartOrder", s3.complete_multipart_upload, MultipartUpload={"Parts": parts[::-1]}, **ids)
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **ids)
    same((done["Bucket"], done["Key"], done["ETag"].endswith('-2"')), (bucket, "k+ k", True))
    same(s3.get_object(Bucket=bucket, Key="k+ k")["Body"].read() == one + b"tail", True)
    refused("NoSuchUpload", s3.list_parts, **ids)
    up = s3.create_multipart_upload(Bucket=bucket, Key="k")
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=up["UploadId"])
    refused("NoSuchUpload", s3.abort_multipart_upload, Bucket=bucket, Key="k", UploadId=up["UploadId"])
    same(s3.list_multipart_uploads(Bucket=bucket).get("Uploads"), None)


def fetch(url, data=None, method="GET", headers={}):
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as r:
            return r.status, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


@case
def presigned_urls(s3, bucket):
    params = {"Bucket": bucket, "Key": "in/a b+ü (1).jpg"}
    same(fetch(s3.generate_presigned_url("put_object", Params=params), b"hello", "PUT")[0], 200)
    same(fetch(s3.generate_presigned_url("get_object", Params=params)), (200, b"hello"))
    status, body = fetch(s3.generate_presigned_url("get_object", Params=params).replace("/in/", "/out/"))
    same((status, b"SignatureDoesNotMatch" in body), (403, True))
    same(fetch(s3.generate_presigned_url("delete_object", Params=params), method="DELETE")[0], 204)
    refused("404", s3.head_object, **params)


@case
def what_is_not_implemented(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"v")
    same(s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"], [])
    refused("NotImplemented", s3.put_object_tagging, Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    refused("NotImplemented", s3.put_object, Bucket=bucket, Key="k", Body=b"w", Tagging="a=b")
    refused("NotImplemented", s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration={"Rules": []})
    refused("NotImplemented", s3.get_bucket_policy, Bucket=bucket)
    refused("NoSuchVersion", s3.get_object, Bucket=bucket, Key="k", VersionId="abc")
    same(s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"v")


@case
def wrong_credentials(s3, bucket):
    other = boto3.client("s3", endpoint_url=os.environ["ENDPOINT"], aws_secret_access_key="wrong", aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"])
    refused("SignatureDoesNotMatch", other.list_buckets)


def main():
    if sys.argv[1:] == ["-l"]:
        print(*[f.__name__ for f in CASES], sep="\n")
        return
    s3 = client()
    for f in CASES:
        bucket = "case-" + f.__name__.replace("_", "-")
        try:
            s3.create_bucket(Bucket=bucket)
            f(s3, bucket)
            print("PASS", f.__name__, flush=True)
        except Exception as e:
            print(f"FAIL {f.__name__}: {type(e).__name__}: {e}".replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
