// An input that is left empty is no parameter: the API refuses empty values, as it can't tell what they mean.
for (const form of document.querySelectorAll('form.search'))
  form.addEventListener('formdata', ({ formData }) => {
    for (const { name, value } of form.querySelectorAll('[data-optional]')) if (!value.trim()) formData.delete(name);
  });
