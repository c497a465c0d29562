//! Programs that nobody here wrote, on the same keys: Python's `redis` with `json` and `msgpack`,
//! and `redis-cli`. The rows are those of the Python package's table of bytes.

mod python;
mod redis_cli;

use std::collections::BTreeMap;
use std::time::Duration;

use maestro_cache::{Cache, Codec, ErrorKind, RedisCache, TimeToLive};
use maestro_cache_testkit::RedisServer;
use python::Python;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn cache(server: &RedisServer, codec: Codec) -> Cache {
    let backend = RedisCache::new(&server.url()).unwrap();
    Cache::builder(backend)
        .codec(codec)
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

/// What Python writes for `expression`: the bytes, what they are as JSON, and what they are as a
/// text for a service that opted into Python's bare texts. `None` is a decode error.
struct Written {
    expression: &'static str,
    bytes: &'static [u8],
    json: Option<Value>,
    legacy_text: Option<&'static str>,
}

fn written(
    expression: &'static str,
    bytes: &'static (impl AsRef<[u8]> + ?Sized),
    json: impl Into<Option<Value>>,
    legacy_text: impl Into<Option<&'static str>>,
) -> Written {
    Written {
        expression,
        bytes: bytes.as_ref(),
        json: json.into(),
        legacy_text: legacy_text.into(),
    }
}

#[rustfmt::skip]
fn what_python_writes() -> Vec<Written> {
    vec![
        // Texts are bare: not JSON, or JSON of another type.
        written("'hello'", "hello", None, "hello"),
        written("''", "", None, ""),
        written("'5'", "5", json!(5), None),
        written("'1.50'", "1.50", json!(1.5), None),
        written("'007'", "007", None, "007"),
        written("'1e3'", "1e3", json!(1000.0), None),
        written("'-0'", "-0", json!(-0.0), None),
        written("'true'", "true", json!(true), None),
        written("'null'", "null", Value::Null, None),
        written("'None'", "None", None, "None"),
        written("'NaN'", "NaN", None, "NaN"),
        written("'Infinity'", "Infinity", None, "Infinity"),
        written("'-Infinity'", "-Infinity", None, "-Infinity"),
        written("'{\"a\":1}'", "{\"a\":1}", json!({"a": 1}), None),
        written("'[1,2]'", "[1,2]", json!([1, 2]), None),
        written("'\"quoted\"'", "\"quoted\"", json!("quoted"), "quoted"),
        written("' 5 '", " 5 ", json!(5), None),
        written("'\\n5\\n'", "\n5\n", json!(5), None),
        written("'1,2'", "1,2", None, "1,2"),
        written("'héllo ✓ 🎉'", "héllo ✓ 🎉", None, "héllo ✓ 🎉"),
        written("'a\\x00b'", "a\0b", None, "a\0b"),
        written("'123456789012345678901234567890'", "123456789012345678901234567890",
            json!(1.234_567_890_123_456_8e29), None),
        // Numbers.
        written("0", "0", json!(0), None),
        written("5", "5", json!(5), None),
        written("-5", "-5", json!(-5), None),
        written("2**63-1", "9223372036854775807", json!(i64::MAX), None),
        written("2**63", "9223372036854775808", json!(1_u64 << 63), None),
        written("2**70", "1180591620717411303424", json!(1_180_591_620_717_411_303_424.0), None),
        written("1.5", "1.5", json!(1.5), None),
        written("1.0", "1.0", json!(1.0), None),
        written("0.1", "0.1", json!(0.1), None),
        written("-0.0", "-0.0", json!(-0.0), None),
        written("0.1+0.2", "0.30000000000000004", json!(0.1 + 0.2), None),
        written("5e-324", "5e-324", json!(5e-324), None),
        written("1e16", "1e+16", json!(1e16), None),
        written("1e22", "1e+22", json!(1e22), None),
        written("1e300", "1e+300", json!(1e300), None),
        written("float('nan')", "nan", None, "nan"),
        written("float('inf')", "inf", None, "inf"),
        written("-float('inf')", "-inf", None, "-inf"),
        // Bytes.
        written("b'hello'", "hello", None, "hello"),
        written("b'5'", "5", json!(5), None),
        written("b''", "", None, ""),
        written("b'\\xff\\xfe'", b"\xff\xfe", None, None),
        // Everything else is JSON.
        written("None", "null", Value::Null, None),
        written("[]", "[]", json!([]), None),
        written("{}", "{}", json!({}), None),
        written("[1, 2, 3]", "[1, 2, 3]", json!([1, 2, 3]), None),
        written("[1,'a',None,True,1.5,[2]]", "[1, \"a\", null, true, 1.5, [2]]",
            json!([1, "a", null, true, 1.5, [2]]), None),
        written("(1, 2)", "[1, 2]", json!([1, 2]), None),
        written("{'a':1,'b':[True,None]}", "{\"a\": 1, \"b\": [true, null]}",
            json!({"a": 1, "b": [true, null]}), None),
        written("{'b':1,'a':2}", "{\"b\": 1, \"a\": 2}", json!({"b": 1, "a": 2}), None),
        written("{1:'a'}", "{\"1\": \"a\"}", json!({"1": "a"}), None),
        written("{None:1,True:2}", "{\"null\": 1, \"true\": 2}", json!({"null": 1, "true": 2}), None),
        written("{'é':'ü✓🎉'}", "{\"\\u00e9\": \"\\u00fc\\u2713\\ud83c\\udf89\"}",
            json!({"é": "ü✓🎉"}), None),
        written("{'x':float('nan'),'y':float('inf')}", "{\"x\": NaN, \"y\": Infinity}", None,
            "{\"x\": NaN, \"y\": Infinity}"),
        written("{'a':'5'}", "{\"a\": \"5\"}", json!({"a": "5"}), None),
        // Broken JSON, as a half-written value would be.
        written("'{\"a\":'", "{\"a\":", None, "{\"a\":"),
    ]
}

/// A result with its decode error made plain; any other error fails the test.
fn decoded<T>(result: maestro_cache::Result<Option<T>>, key: &str) -> Option<T> {
    match result {
        Ok(value) => Some(value.expect("the key was written")),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
            assert_eq!(error.key(), Some(key));
            None
        }
    }
}

#[tokio::test]
async fn what_python_writes_is_read_by_its_type_or_refused() {
    let server = RedisServer::start();
    let mut python = Python::start(&server);
    let strict = cache(&server, Codec::Json);
    let legacy = cache(&server, Codec::JsonLegacyPythonStrings);
    for (row, written) in what_python_writes().into_iter().enumerate() {
        let Written {
            expression,
            bytes,
            json,
            legacy_text,
        } = written;
        let key = format!("row:{row}");
        python.write(&key, expression).unwrap();
        assert_eq!(
            strict.get_bytes(&key).await.unwrap().unwrap(),
            bytes,
            "{expression}"
        );
        let as_json: Option<Value> = decoded(strict.get(&key).await, &key);
        assert_eq!(as_json, json, "{expression}");
        let as_text: Option<String> = decoded(strict.get(&key).await, &key);
        assert_eq!(
            as_text,
            json.and_then(|json| Some(json.as_str()?.to_owned())),
            "{expression}"
        );
        let as_legacy_text: Option<String> = decoded(legacy.get(&key).await, &key);
        assert_eq!(as_legacy_text.as_deref(), legacy_text, "{expression}");
        // Whatever could not be read is still there.
        assert_eq!(
            strict.get_bytes(&key).await.unwrap().unwrap(),
            bytes,
            "{expression}"
        );
    }
}

#[tokio::test]
async fn what_python_cannot_write_is_not_there() {
    let server = RedisServer::start();
    let mut python = Python::start(&server);
    let cache = cache(&server, Codec::Json);
    for expression in [
        "True",
        "False",
        "'\\ud800'",
        "{1, 2}",
        "object()",
        "{(1, 2): 3}",
    ] {
        python.write("k", expression).unwrap_err();
        assert_eq!(cache.get::<Value>("k").await.unwrap(), None, "{expression}");
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    note: Option<String>,
    prices: Vec<f64>,
    paid: bool,
}

fn order() -> Order {
    Order {
        id: 7,
        note: None,
        prices: vec![1.0, 0.1],
        paid: true,
    }
}

/// What a Rust service writes in JSON, and what Python reads.
#[rustfmt::skip]
fn what_rust_writes() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (json!("hello"), "\"hello\"", "'hello'"),
        (json!(""), "\"\"", "''"),
        (json!("5"), "\"5\"", "'5'"),
        (json!("1.50"), "\"1.50\"", "'1.50'"),
        (json!("007"), "\"007\"", "'007'"),
        (json!("1e3"), "\"1e3\"", "'1e3'"),
        (json!("-0"), "\"-0\"", "'-0'"),
        (json!("true"), "\"true\"", "'true'"),
        (json!("null"), "\"null\"", "'null'"),
        (json!("None"), "\"None\"", "'None'"),
        (json!("NaN"), "\"NaN\"", "'NaN'"),
        (json!("Infinity"), "\"Infinity\"", "'Infinity'"),
        (json!("-Infinity"), "\"-Infinity\"", "'-Infinity'"),
        (json!("{\"a\":1}"), "\"{\\\"a\\\":1}\"", "'{\"a\":1}'"),
        (json!("[1,2]"), "\"[1,2]\"", "'[1,2]'"),
        (json!("\"quoted\""), "\"\\\"quoted\\\"\"", "'\"quoted\"'"),
        (json!(" 5 "), "\" 5 \"", "' 5 '"),
        (json!("\n5\n"), "\"\\n5\\n\"", "'\\n5\\n'"),
        (json!("1,2"), "\"1,2\"", "'1,2'"),
        (json!("héllo ✓ 🎉"), "\"héllo ✓ 🎉\"", "'héllo ✓ 🎉'"),
        (json!("a\0b"), "\"a\\u0000b\"", "'a\\x00b'"),
        (json!("123456789012345678901234567890"), "\"123456789012345678901234567890\"",
            "'123456789012345678901234567890'"),
        (json!(0), "0", "0"),
        (json!(5), "5", "5"),
        (json!(-5), "-5", "-5"),
        (json!(i64::MAX), "9223372036854775807", "9223372036854775807"),
        (json!(1_u64 << 63), "9223372036854775808", "9223372036854775808"),
        (json!(1.5), "1.5", "1.5"),
        (json!(1.0), "1.0", "1.0"),
        (json!(0.1), "0.1", "0.1"),
        (json!(-0.0), "-0.0", "-0.0"),
        (json!(0.1 + 0.2), "0.30000000000000004", "0.30000000000000004"),
        (json!(5e-324), "5e-324", "5e-324"),
        (json!(1e16), "1e+16", "1e+16"),
        (json!(1e22), "1e+22", "1e+22"),
        (json!(1e300), "1e+300", "1e+300"),
        (json!(true), "true", "True"),
        (json!(false), "false", "False"),
        (json!(null), "null", "None"),
        (json!([]), "[]", "[]"),
        (json!({}), "{}", "{}"),
        (json!([1, 2, 3]), "[1,2,3]", "[1, 2, 3]"),
        (json!([1, "a", null, true, 1.5, [2]]), "[1,\"a\",null,true,1.5,[2]]",
            "[1, 'a', None, True, 1.5, [2]]"),
        (json!({"a": 1, "b": [true, null]}), "{\"a\":1,\"b\":[true,null]}",
            "{'a': 1, 'b': [True, None]}"),
        (json!({"é": "ü✓🎉"}), "{\"é\":\"ü✓🎉\"}", "{'é': 'ü✓🎉'}"),
        (json!({"a": "5"}), "{\"a\":\"5\"}", "{'a': '5'}"),
    ]
}

#[tokio::test]
async fn what_rust_writes_python_reads_with_its_type() {
    let server = RedisServer::start();
    let mut python = Python::start(&server);
    let cache = cache(&server, Codec::Json);
    for (row, (value, bytes, read)) in what_rust_writes().into_iter().enumerate() {
        let key = format!("row:{row}");
        cache.set(&key, &value).await.unwrap();
        assert_eq!(String::from_utf8(python.stored(&key)).unwrap(), bytes);
        assert_eq!(python.read(&key).unwrap(), read, "{value}");
    }
    cache.set("struct", &order()).await.unwrap();
    let read = "{'id': 7, 'note': None, 'prices': [1.0, 0.1], 'paid': True}";
    assert_eq!(python.read("struct").unwrap(), read);
    cache.set("tuple", &(1, 2)).await.unwrap();
    assert_eq!(python.read("tuple").unwrap(), "[1, 2]");
    cache
        .set("numbers as keys", &BTreeMap::from([(1, "a")]))
        .await
        .unwrap();
    assert_eq!(python.read("numbers as keys").unwrap(), "{'1': 'a'}");
    cache
        .set("bytes as a list", &vec![104_u8, 105])
        .await
        .unwrap();
    assert_eq!(python.read("bytes as a list").unwrap(), "[104, 105]");
    cache.set("unit", &()).await.unwrap();
    assert_eq!(python.read("unit").unwrap(), "None");
    // Integers that `Value` does not hold.
    cache.set("u64", &u64::MAX).await.unwrap();
    assert_eq!(python.read("u64").unwrap(), "18446744073709551615");
    cache.set("u128", &(1_u128 << 70)).await.unwrap();
    assert_eq!(python.read("u128").unwrap(), "1180591620717411303424");
    // In the order of the struct's fields, which is not that of the alphabet.
    cache.set("order", &Reversed { b: 1, a: 2 }).await.unwrap();
    assert_eq!(python.read("order").unwrap(), "{'b': 1, 'a': 2}");
    assert_eq!(python.read("missing").unwrap(), "None");
}

#[derive(Serialize)]
struct Reversed {
    b: u8,
    a: u8,
}

#[tokio::test]
async fn floats_that_json_lacks_are_refused_and_the_old_value_stays() {
    let server = RedisServer::start();
    let mut python = Python::start(&server);
    let cache = cache(&server, Codec::Json);
    cache.set("k", &1.5).await.unwrap();
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = cache.set("k", &float).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
    }
    assert_eq!(python.read("k").unwrap(), "1.5");
}

#[tokio::test]
async fn bytes_that_are_text_are_to_python_what_they_spell() {
    let server = RedisServer::start();
    let mut python = Python::start(&server);
    let cache = cache(&server, Codec::Json);
    for (bytes, read) in [("hello", "'hello'"), ("5", "5"), ("", "''")] {
        cache.set_bytes("k", bytes).await.unwrap();
        assert_eq!(python.stored("k"), bytes.as_bytes());
        assert_eq!(python.read("k").unwrap(), read);
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_for_rust_alone() {
    let server = RedisServer::start();
    let mut python = Python::start(&server);
    let cache = cache(&server, Codec::Json);
    cache.set_bytes("k", vec![0xff, 0xfe]).await.unwrap();
    assert_eq!(python.stored("k"), [0xff, 0xfe]);
    assert_eq!(python.read("k").unwrap_err(), "UnicodeDecodeError");
    assert_eq!(
        cache.get_bytes("k").await.unwrap().unwrap(),
        vec![0xff, 0xfe]
    );
}

#[tokio::test]
async fn counters_are_shared_in_both_directions() {
    let server = RedisServer::start();
    let mut python = Python::start(&server);
    for codec in [Codec::Json, Codec::MessagePack] {
        let cache = cache(&server, codec);
        cache.set("n", &5).await.unwrap();
        assert_eq!(python.ask(json!(["increment", "n", 2])), Ok(json!(7)));
        assert_eq!(cache.increment("n", 1).await.unwrap(), 8);
        assert_eq!(python.read("n").unwrap(), "8");
        assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(8));
    }
    // What is no counter for Redis is none for anybody, and stays.
    python.write("big", "2**63").unwrap();
    let error = cache(&server, Codec::Json)
        .increment("big", 1)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAnInteger);
    assert_eq!(python.read("big").unwrap(), "9223372036854775808");
}

#[tokio::test]
async fn times_to_live_are_shared_in_both_directions() {
    let server = RedisServer::start();
    let mut python = Python::start(&server);
    let cache = cache(&server, Codec::Json);
    cache
        .set("k", &1)
        .ttl(Duration::from_secs(1000))
        .await
        .unwrap();
    let seconds = python.ask(json!(["ttl", "k"])).unwrap().as_i64().unwrap();
    assert!((900..=1000).contains(&seconds), "{seconds}");
    python.ask(json!(["write", "k", "1", 2000])).unwrap();
    let TimeToLive::Left(left) = cache.ttl("k").await.unwrap() else {
        panic!("Python gave it a time to live");
    };
    assert!(left > Duration::from_secs(1900), "{left:?}");
    python.write("k", "1").unwrap();
    assert_eq!(cache.ttl("k").await.unwrap(), TimeToLive::NoExpiry);
}

#[tokio::test]
async fn messagepack_goes_both_ways() {
    let server = RedisServer::start();
    let mut python = Python::start(&server);
    let cache = cache(&server, Codec::MessagePack);
    cache.set("k", &order()).await.unwrap();
    let read = "{'id': 7, 'note': None, 'prices': [1.0, 0.1], 'paid': True}";
    assert_eq!(python.ask(json!(["unpack", "k"])), Ok(json!(read)));
    python.ask(json!(["pack", "k", read])).unwrap();
    assert_eq!(cache.get::<Order>("k").await.unwrap(), Some(order()));
    for (expression, text) in [("'héllo ✓ 🎉'", "héllo ✓ 🎉"), ("'5'", "5"), ("''", "")] {
        python.ask(json!(["pack", "text", expression])).unwrap();
        assert_eq!(
            cache.get::<String>("text").await.unwrap().as_deref(),
            Some(text)
        );
        cache.set("text", text).await.unwrap();
        assert_eq!(python.ask(json!(["unpack", "text"])), Ok(json!(expression)));
    }
}

/// While a value is loaded Python finds nothing, then the value, and the old one while a newer one is
/// loaded. What Python writes meanwhile stays.
#[tokio::test]
async fn what_is_being_loaded_is_a_miss_or_the_old_value_to_python() {
    const LONG: Duration = Duration::from_secs(3600);
    let server = RedisServer::start();
    let cache = cache(&server, Codec::Json);
    let python = std::sync::Mutex::new(Python::start(&server));
    let read = |key: &str| python.lock().unwrap().read(key).unwrap();
    let load = async |number: i64| {
        let loader = || async {
            let seen = read("order");
            Ok::<_, std::io::Error>((number, seen))
        };
        let load = cache.get_or_compute("order", loader);
        load.ttl(Duration::from_millis(5))
            .stale_if_error(LONG)
            .await
            .unwrap()
    };
    assert_eq!(load(1).await, (1, "None".to_owned()));
    assert_eq!(read("order"), "[1, 'None']");
    while cache.exists("order").await.unwrap() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(load(2).await, (2, "[1, 'None']".to_owned()));

    let loader = || async {
        python.lock().unwrap().write("other", "{'a': 1}").unwrap();
        Ok::<_, std::io::Error>(json!({"a": 2}))
    };
    let loaded = cache.get_or_compute("other", loader).await.unwrap();
    assert_eq!(loaded, json!({"a": 2}));
    assert_eq!(
        read("other"),
        "{'a': 1}",
        "it was written while the other was loaded"
    );
}
